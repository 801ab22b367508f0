// The frame of a page: its title, which the window has too, where it belongs, and what it is about.
import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { to } from '../router'

export interface Crumb { name: string, parts: Array<string | number> }

export function Page ({ title, lead, crumbs, aside, children }: {
  title: string, lead?: ComponentChildren, crumbs?: Crumb[], aside?: ComponentChildren, children: ComponentChildren
}) {
  useEffect(() => { document.title = `${title} · Evercount` }, [title])
  return (
    <>
      {crumbs !== undefined && (
        <nav class="crumbs" aria-label="Where this belongs">
          {crumbs.map(crumb => <a key={crumb.name} href={to(crumb.parts)}>{crumb.name}</a>)}
        </nav>
      )}
      <header class="page-head">
        <div>
          <h1>{title}</h1>
          {lead !== undefined && lead !== '' && <p class="lead">{lead}</p>}
        </div>
        {aside}
      </header>
      {children}
    </>
  )
}

export function Tabs ({ label, of, at }: { label: string, of: Array<{ name: string, href: string, id: string }>, at: string }) {
  const bar = useRef<HTMLElement>(null)
  useEffect(() => showOpen(bar.current), [at])
  return (
    <nav class="tabs" aria-label={label} ref={bar}>
      {of.map(tab => <a key={tab.id} href={tab.href} aria-current={tab.id === at ? 'page' : undefined}>{tab.name}</a>)}
    </nav>
  )
}

/** Where a bar has room for some of its links only, the one that is open is among those. `scrollIntoView` would do it as
 * well, but the next Tab would then start from that link. */
export function showOpen (bar: HTMLElement | null): void {
  const open = bar?.querySelector<HTMLElement>('[aria-current]')
  if (bar === null || open === null || open === undefined) return
  bar.scrollLeft = Math.max(0, open.offsetLeft + open.offsetWidth - bar.clientWidth)
}
