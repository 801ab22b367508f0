// How exact a count is, in one glance and in one sentence. Nothing is called exact that is not.
import type { CountHead } from '../types'
import { count } from '../format'
import { doubtWords } from '../words'
import { Tag, Words } from './text'

type Doubtful = Pick<CountHead, 'name' | 'exact' | 'uncertain' | 'doubts'> & Partial<Pick<CountHead, 'n_min' | 'n_max'>>

/** The bounds of what a count will come to, while it is being filled. */
export function bounds (of: Doubtful): { from: number | null, to: number | null } | undefined {
  const [from, to] = [of.n_min ?? null, of.n_max ?? null]
  return from === null && to === null ? undefined : { from, to }
}

export function boundsWords (of: { from: number | null, to: number | null }): string {
  if (of.from !== null && of.to !== null) return `between ${count(of.from)} and ${count(of.to)}`
  if (of.from !== null) return `at least ${count(of.from)}`
  if (of.to !== null) return `at most ${count(of.to)}`
  return 'of any number'
}

export function Exactness ({ of }: { of: Doubtful }) {
  if (bounds(of) !== undefined) return <Tag tone="warn">bounded</Tag>
  if (of.exact) return <Tag tone="good">exact</Tag>
  return of.uncertain > 0
    ? <Tag tone="warn">uncertain ±<span class="n">{count(of.uncertain)}</span></Tag>
    : <Tag tone="warn">not exact</Tag>
}

/** Why a count is not exact, and what would make it so. */
export function Doubts ({ of }: { of: Doubtful }) {
  const limits = bounds(of)
  if (of.doubts.length === 0 && limits === undefined) return null
  return (
    <ul class="doubts">
      {limits !== undefined && <li>Once it is filled, it will count {boundsWords(limits)}.</li>}
      {of.doubts.map(doubt => <li key={doubt}><Words of={doubtWords(doubt, of.name)} /></li>)}
    </ul>
  )
}
