// What a page shows before there is an answer, and when there is none.
import type { ComponentChildren } from 'preact'
import type { Live, Problem } from '../api'
import { Time, Words } from './text'

export function Trouble ({ problem, at }: { problem: Problem, at?: number }) {
  return (
    <div class="trouble" role="alert">
      <p class="trouble-title"><Words of={problem.message} /></p>
      {problem.fix !== undefined && <p><Words of={problem.fix} /></p>}
      {at !== undefined && <p>Below is what was read <Time at={new Date(at).toISOString()} brief />.</p>}
    </div>
  )
}

/** The answer once it is there; before that a word that it is awaited; why not, where there is none. */
export function Loaded<T> ({ live, children }: { live: Live<T>, children: (data: T) => ComponentChildren }) {
  if (live.data === undefined) {
    return live.problem === undefined
      ? <p class="waiting" role="status">Reading…</p>
      : <Trouble problem={live.problem} />
  }
  return (
    <>
      {live.problem !== undefined && <Trouble problem={live.problem} at={live.at} />}
      {children(live.data)}
    </>
  )
}

/** Long work: how far it is, and how long it has to go. */
export function Progress ({ name, done, of, left }: { name: string, done: number, of?: number | null, left?: string | null }) {
  const known = of !== undefined && of !== null && of > 0
  const share = known ? Math.min(1, done / of) : undefined
  return (
    <div class="progress">
      <progress aria-label={name} {...(share === undefined ? {} : { value: share, max: 1 })} />
      <p>
        <span class="n">{done.toLocaleString('en')}</span>{known && <> of <span class="n">{of.toLocaleString('en')}</span></>} {name}
        {share !== undefined && <>, <span class="n">{Math.floor(share * 100)} %</span></>}
        {left !== undefined && left !== null && <>, {left} to go</>}
      </p>
    </div>
  )
}
