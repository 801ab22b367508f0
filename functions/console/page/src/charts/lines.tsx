// Figures over time: a sparkline beside a number, and the same with axes.
import uPlot from 'uplot'
import { Chart, UTC, axis, times } from './chart'

export interface Point { at: number, n: number }

const stepped = (): uPlot.Series.PathBuilder | undefined => uPlot.paths.stepped?.({ align: 1 })

// A level line is drawn in the middle, and not on the edge.
function room (_: uPlot, low: number | null, high: number | null): [number, number] {
  const [from, to] = [low ?? 0, high ?? 1]
  const margin = Math.max((to - from) * 0.15, 1)
  return [from - margin, to + margin]
}

export function Spark ({ points, label }: { points: Point[], label: string }) {
  if (points.length < 2) return <span class="spark none" aria-hidden="true" />
  const data: uPlot.AlignedData = [points.map(point => point.at), points.map(point => point.n)]
  return (
    <div class="spark">
      <Chart
        shape="spark" height={32} label={label} data={data}
        draw={colours => ({
          cursor: { show: false },
          padding: [3, 3, 3, 3],
          axes: [{ show: false }, { show: false }],
          scales: { x: { time: true }, y: { range: room } },
          series: [{}, { stroke: colours.accent, width: 1.5, paths: stepped(), points: { show: false } }]
        })}
      />
    </div>
  )
}

export interface Line { name: string, values: Array<number | null>, tone: 'accent' | 'soft' | 'bad' | 'warn', dashed?: boolean }

export function Lines ({ at, lines, label, height = 200, unit = '', whole = true, steps = true }: {
  at: number[], lines: Line[], label: string, height?: number, unit?: string, whole?: boolean, steps?: boolean
}) {
  const data = [at, ...lines.map(line => line.values)] as uPlot.AlignedData
  const shape = `lines ${unit} ${lines.map(line => `${line.name} ${line.tone}`).join()}`
  return (
    <figure class="plot">
      <figcaption>
        {lines.map(line => <span key={line.name} class={`key ${line.tone}${line.dashed ? ' dashed' : ''}`}>{line.name}</span>)}
      </figcaption>
      <Chart
        shape={shape} height={height} label={label} data={data}
        draw={colours => ({
          tzDate: UTC,
          cursor: { y: false, drag: { x: false, y: false } },
          axes: [
            axis(colours, { values: times, space: 76, size: 30 }),
            axis(colours, { size: 58, ...(whole ? { incrs: [1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6, 1e7, 1e8] } : {}) })
          ],
          scales: { x: { time: true }, y: whole ? { range: room } : {} },
          series: [
            {},
            ...lines.map(line => ({
              label: line.name,
              stroke: colours[line.tone],
              width: 1.75,
              ...(line.dashed ? { dash: [5, 4] } : {}),
              ...(steps ? { paths: stepped() } : {}),
              points: { show: at.length < 40, size: 5, fill: colours[line.tone] }
            }))
          ]
        })}
      />
    </figure>
  )
}
