// What totals were while the page was open: the API tells what is, and kept cuts are an hour apart.
import { useRef } from 'preact/hooks'
import type { Point } from './charts/lines'

type Totals = { name: string, total: number }

/** Points that are kept of each count. */
const POINTS_MAX = 300

const trails = new Map<string, Point[]>()

/** Notes readings, and says what was noted of a count. */
export function useTrail (readings: Totals[] | undefined): (name: string) => Point[] {
  const noted = useRef<Totals[] | undefined>(undefined)
  if (readings !== undefined && noted.current !== readings) {
    noted.current = readings
    for (const { name, total } of readings) note(name, total)
  }
  return name => trails.get(name) ?? []
}

function note (name: string, n: number): void {
  const points = trails.get(name) ?? []
  const at = Date.now() / 1000
  const last = points.at(-1)
  if (last !== undefined && at - last.at < 0.2) return
  // Of a level stretch its ends are enough.
  if (last?.n === n && points.at(-2)?.n === n) points.pop()
  // A new array each time, so that whoever draws it sees that it changed.
  trails.set(name, [...points, { at, n }].slice(-POINTS_MAX))
}
