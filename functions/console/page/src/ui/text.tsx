// The small parts that all pages are written with.
import type { ComponentChildren } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { count, iso, relative } from '../format'

let now = Date.now()
const watchers = new Set<(at: number) => void>()
window.setInterval(() => {
  now = Date.now()
  watchers.forEach(watcher => watcher(now))
}, 1_000)

/** The time, each second. */
export function useNow (): number {
  const [at, setAt] = useState(now)
  useEffect(() => {
    watchers.add(setAt)
    return () => { watchers.delete(setAt) }
  }, [])
  return at
}

/** A time: ISO in UTC, with how long ago that was beside it. */
export function Time ({ at, brief = false }: { at: string | null | undefined, brief?: boolean }) {
  const seen = useNow()
  if (at === null || at === undefined || at === '') return <span class="soft">never</span>
  const ago = relative(at, seen)
  return brief
    ? <time dateTime={at} title={iso(at)}>{ago}</time>
    : <time dateTime={at} title={at}>{iso(at)} <span class="soft">{ago}</span></time>
}

export function Count ({ of, sign = false }: { of: number, sign?: boolean }) {
  return <span class="n">{sign && of > 0 ? '+' : ''}{count(of)}</span>
}

/** Text whose parts in backticks are commands or names. */
export function Words ({ of }: { of: string }) {
  return <>{of.split('`').map((part, place) => place % 2 === 1 ? <code key={place}>{part}</code> : part)}</>
}

export type Tone = 'plain' | 'good' | 'warn' | 'bad' | 'faint'

export function Tag ({ tone = 'plain', children, title }: { tone?: Tone, children: ComponentChildren, title?: string }) {
  return <span class={`tag ${tone}`} title={title}>{children}</span>
}

/** What stands where there is nothing yet: why, and what to do about it. */
export function Empty ({ title, children, run }: { title: string, children?: ComponentChildren, run?: string }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children !== undefined && <p>{children}</p>}
      {run !== undefined && <pre class="run"><code>{run}</code></pre>}
    </div>
  )
}

export function Section ({ title, id, aside, children, note }: {
  title: string, id?: string, aside?: ComponentChildren, children: ComponentChildren, note?: ComponentChildren
}) {
  const name = id ?? title.toLowerCase().replace(/[^a-z]+/g, '-')
  return (
    <section class="section" aria-labelledby={`h-${name}`}>
      <div class="section-head">
        <h2 id={`h-${name}`}>{title}</h2>
        {aside}
      </div>
      {note !== undefined && <p class="note">{note}</p>}
      {children}
    </section>
  )
}

export interface Fact { name: string, value: ComponentChildren, title?: string }

/** Names with their values. */
export function Facts ({ of, wide = false }: { of: Array<Fact | false | null | undefined>, wide?: boolean }) {
  const told = of.filter((one): one is Fact => Boolean(one))
  return (
    <dl class={wide ? 'facts wide' : 'facts'}>
      {told.map(({ name, value, title }) => (
        <div key={name}>
          <dt title={title}>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}
