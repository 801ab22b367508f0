// uPlot in the page: as wide as its place, in the colours of the page, and told in words to whoever does not see it.
import uPlot from 'uplot'
import { useEffect, useRef } from 'preact/hooks'

export interface Palette {
  ink: string
  soft: string
  line: string
  accent: string
  wash: string
  warn: string
  bad: string
}

function palette (): Palette {
  const style = getComputedStyle(document.documentElement)
  const of = (name: string): string => style.getPropertyValue(`--${name}`).trim()
  return {
    ink: of('ink'), soft: of('soft'), line: of('line'), accent: of('accent'), wash: of('accent-wash'), warn: of('warn'), bad: of('bad')
  }
}

export type Draw = (colours: Palette) => Omit<uPlot.Options, 'width' | 'height'>

/** A chart. `label` tells in words what is seen; the figures themselves belong in a table beside it. */
export function Chart ({ draw, data, height, label, shape }: {
  draw: Draw
  data: uPlot.AlignedData
  height: number
  label: string
  /** What the drawing depends on besides its data; another one makes another drawing. */
  shape: string
}) {
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | undefined>(undefined)
  const latest = useRef(data)
  latest.current = data
  useEffect(() => {
    const element = place.current
    if (element === null) return
    const make = (): void => {
      plot.current?.destroy()
      const width = Math.max(60, element.clientWidth)
      plot.current = new uPlot({ ...draw(palette()), width, height, legend: { show: false } }, latest.current, element)
    }
    make()
    const dark = window.matchMedia('(prefers-color-scheme: dark)')
    dark.addEventListener('change', make)
    const sized = new ResizeObserver(() => {
      const width = Math.max(60, element.clientWidth)
      if (plot.current !== undefined && plot.current.width !== width) plot.current.setSize({ width, height })
    })
    sized.observe(element)
    return () => {
      dark.removeEventListener('change', make)
      sized.disconnect()
      plot.current?.destroy()
      plot.current = undefined
    }
  }, [shape, height])
  useEffect(() => { plot.current?.setData(data) }, [data])
  return <div class="chart" ref={place} role="img" aria-label={label} style={{ minHeight: `${height}px` }} />
}

const FONT = '12px ui-sans-serif, system-ui, sans-serif'

/** An axis in the page's colours. */
export function axis (colours: Palette, more: Partial<uPlot.Axis> = {}): uPlot.Axis {
  return {
    stroke: colours.soft,
    font: FONT,
    grid: { stroke: colours.line, width: 1 },
    ticks: { stroke: colours.line, width: 1, size: 4 },
    ...more
  }
}

const pad = (n: number): string => String(n).padStart(2, '0')

/** Times in UTC, as the rest of the page has them: a day where a day begins, else the time of day. */
export function times (_: uPlot, splits: number[], __: number, ___: number, step: number): string[] {
  return splits.map(at => {
    const time = new Date(at * 1000)
    const day = `${time.getUTCFullYear()}-${pad(time.getUTCMonth() + 1)}-${pad(time.getUTCDate())}`
    const clock = `${pad(time.getUTCHours())}:${pad(time.getUTCMinutes())}`
    if (step >= 86_400) return day
    return step < 60 ? `${clock}:${pad(time.getUTCSeconds())}` : clock
  })
}

export const UTC = (at: number): Date => uPlot.tzDate(new Date(at * 1e3), 'Etc/UTC')

/** Lines from the lower to the upper end of each point, with feet: what a figure may be off by. */
export function whiskers (lower: number, upper: number, colour: string): uPlot.Plugin {
  return {
    hooks: {
      draw: [u => {
        const [from, to] = [u.data[lower], u.data[upper]]
        if (from === undefined || to === undefined) return
        const { ctx } = u
        const foot = 4 * devicePixelRatio
        ctx.save()
        ctx.strokeStyle = colour
        ctx.lineWidth = 1.5 * devicePixelRatio
        ctx.beginPath()
        u.data[0].forEach((x, place) => {
          const [low, high] = [from[place], to[place]]
          if (low === null || low === undefined || high === null || high === undefined) return
          const at = u.valToPos(x, 'x', true)
          const [bottom, top] = [u.valToPos(low, 'y', true), u.valToPos(high, 'y', true)]
          ctx.moveTo(at, bottom)
          ctx.lineTo(at, top)
          ctx.moveTo(at - foot, bottom)
          ctx.lineTo(at + foot, bottom)
          ctx.moveTo(at - foot, top)
          ctx.lineTo(at + foot, top)
        })
        ctx.stroke()
        ctx.restore()
      }]
    }
  }
}
