// Figures that are not certain: estimates with what they may be off by, and forecasts beside what came.
import uPlot from 'uplot'
import { Chart, UTC, axis, times, whiskers } from './chart'

/** From the first point to the last, with room beside them: for one point, this many seconds. */
const around = (alone: number) => (u: uPlot): [number, number] => {
  const [low, high] = [u.data[0][0] ?? 0, u.data[0].at(-1) ?? 0]
  const room = low === high ? alone : Math.max((high - low) * 0.06, 2)
  return [low - room, high + room]
}

export interface Estimated { at: number, n: number, from: number, to: number }

/** Estimates over time, each with its error bar. */
export function ErrorBars ({ of, label, height = 200 }: { of: Estimated[], label: string, height?: number }) {
  const data: uPlot.AlignedData = [
    of.map(one => one.at), of.map(one => one.n), of.map(one => one.from), of.map(one => one.to)
  ]
  return (
    <Chart
      shape="error bars" height={height} label={label} data={data}
      draw={colours => ({
        tzDate: UTC,
        cursor: { show: false },
        axes: [axis(colours, { values: times, space: 76, size: 30 }), axis(colours, { size: 58 })],
        scales: {
          x: { time: true, range: around(3600) },
          y: { range: (_, __, high) => [0, Math.max(1, high * 1.12)] }
        },
        series: [
          {},
          { stroke: colours.accent, paths: () => null, points: { show: true, size: 7, fill: colours.accent } },
          { stroke: 'transparent', paths: () => null, points: { show: false } },
          { stroke: 'transparent', paths: () => null, points: { show: false } }
        ],
        plugins: [whiskers(2, 3, colours.accent)]
      })}
    />
  )
}

export interface Reliable { foretold: number, came: number, n: number, from?: number, to?: number }

export interface Said { at: number, p: number, from: number, to: number }

/** Probabilities over time, each with its interval, above a mark for each change that came. */
export function Foretold ({ of, came, label, height = 220 }: { of: Said[], came: number[], label: string, height?: number }) {
  const data: uPlot.AlignedData = [
    of.map(one => one.at), of.map(one => one.p), of.map(one => one.from), of.map(one => one.to)
  ]
  const ends = [...of.map(one => one.at), ...came]
  const [low, high] = [Math.min(...ends), Math.max(...ends)]
  const beside = low === high ? 86_400 : (high - low) * 0.06
  return (
    <Chart
      shape={`foretold ${came.join()}`} height={height} label={label} data={data}
      draw={colours => ({
        tzDate: UTC,
        cursor: { show: false },
        axes: [
          axis(colours, { values: times, space: 76, size: 30 }),
          axis(colours, { values: shares, size: 50, incrs: [0.25] })
        ],
        scales: { x: { time: true, range: [low - beside, high + beside] }, y: { range: [0, 1] } },
        series: [
          {},
          { stroke: colours.accent, width: 1.75, points: { show: true, size: 7, fill: colours.accent } },
          { stroke: 'transparent', points: { show: false } },
          { stroke: 'transparent', points: { show: false } }
        ],
        plugins: [whiskers(2, 3, colours.accent), {
          hooks: {
            draw: [u => {
              const { ctx, bbox } = u
              const size = 5 * devicePixelRatio
              ctx.save()
              ctx.fillStyle = colours.warn
              for (const at of came) {
                const [x, y] = [u.valToPos(at, 'x', true), bbox.top + bbox.height]
                ctx.beginPath()
                ctx.moveTo(x - size, y)
                ctx.lineTo(x + size, y)
                ctx.lineTo(x, y - 2 * size)
                ctx.fill()
              }
              ctx.restore()
            }]
          }
        }]
      })}
    />
  )
}

const shares = (_: uPlot, splits: number[]): string[] => splits.map(at => `${Math.round(at * 100)} %`)

/** How often what was foretold with a probability came: on the line where forecasts are right. */
export function Reliability ({ of, label, height = 380 }: { of: Reliable[], label: string, height?: number }) {
  const bins = [...of].sort((one, other) => one.foretold - other.foretold)
  const most = Math.max(1, ...bins.map(bin => bin.n))
  const data: uPlot.AlignedData = [
    [0, ...bins.map(bin => bin.foretold), 1],
    [0, ...bins.map(bin => bin.foretold), 1],
    [null, ...bins.map(bin => bin.came), null],
    [null, ...bins.map(bin => bin.from ?? null), null],
    [null, ...bins.map(bin => bin.to ?? null), null]
  ]
  return (
    <Chart
      shape={`reliability ${JSON.stringify(bins)}`} height={height} label={label} data={data}
      draw={colours => ({
        cursor: { show: false },
        axes: [
          axis(colours, { values: shares, label: 'foretold', labelSize: 20, labelFont: '12px system-ui', incrs: [0.25] }),
          axis(colours, { values: shares, label: 'came', labelSize: 20, labelFont: '12px system-ui', size: 50, incrs: [0.25] })
        ],
        scales: { x: { time: false, range: [0, 1] }, y: { range: [0, 1] } },
        series: [
          {},
          { stroke: colours.soft, width: 1, dash: [4, 4], points: { show: false } },
          { stroke: colours.accent, width: 1.5, points: { show: false } },
          { stroke: 'transparent', points: { show: false } },
          { stroke: 'transparent', points: { show: false } }
        ],
        plugins: [whiskers(3, 4, colours.accent), {
          hooks: {
            draw: [u => {
              const { ctx } = u
              ctx.save()
              ctx.fillStyle = colours.accent
              for (const bin of bins) {
                // The area tells how many forecasts there were.
                const radius = (3 + 7 * Math.sqrt(bin.n / most)) * devicePixelRatio
                ctx.beginPath()
                ctx.arc(u.valToPos(bin.foretold, 'x', true), u.valToPos(bin.came, 'y', true), radius, 0, 2 * Math.PI)
                ctx.fill()
              }
              ctx.restore()
            }]
          }
        }]
      })}
    />
  )
}

/** Versions where they were made in time, each as high as its drift. */
export function Drifts ({ of, label, height = 150 }: { of: Array<{ at: number, drift: number, version: number }>, label: string, height?: number }) {
  const data: uPlot.AlignedData = [of.map(one => one.at), of.map(one => one.drift)]
  return (
    <Chart
      shape={`drifts ${of.map(one => `${one.version} ${one.drift}`).join()}`} height={height} label={label} data={data}
      draw={colours => ({
        tzDate: UTC,
        cursor: { show: false },
        axes: [axis(colours, { values: times, space: 76, size: 30 }), axis(colours, { size: 44, incrs: [0.1, 0.25, 0.5] })],
        scales: {
          x: { time: true, range: around(2) },
          y: { range: (_, __, high) => [0, Math.min(1, Math.max(0.2, high * 1.35))] }
        },
        series: [{}, { stroke: 'transparent', points: { show: false } }],
        plugins: [{
          hooks: {
            draw: [u => {
              const { ctx } = u
              const [scale, base] = [devicePixelRatio, u.valToPos(0, 'y', true)]
              ctx.save()
              ctx.font = `${11 * scale}px ui-monospace, monospace`
              ctx.textAlign = 'center'
              u.data[0].forEach((x, place) => {
                const [at, top] = [u.valToPos(x, 'x', true), u.valToPos(u.data[1]?.[place] ?? 0, 'y', true)]
                ctx.strokeStyle = ctx.fillStyle = colours.accent
                ctx.lineWidth = 2 * scale
                ctx.beginPath()
                ctx.moveTo(at, base)
                ctx.lineTo(at, top)
                ctx.stroke()
                ctx.beginPath()
                ctx.arc(at, top, 4 * scale, 0, 2 * Math.PI)
                ctx.fill()
                ctx.fillStyle = colours.ink
                ctx.fillText(`v${u.data[0].length > 14 ? '' : of[place]?.version ?? ''}`, at, top - 8 * scale)
              })
              ctx.restore()
            }]
          }
        }]
      })}
    />
  )
}
