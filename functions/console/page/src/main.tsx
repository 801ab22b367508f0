// The page: where somebody is, what is there, and whether it is live.
import { render } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import 'uplot/dist/uPlot.min.css'
import './page.css'
import { hold, useHeard, useLive } from './api'
import { count, relative } from './format'
import { Adjustments } from './pages/adjustments'
import { CountPage } from './pages/count'
import { Counts } from './pages/counts'
import { Forecast } from './pages/forecast'
import { HealthPage } from './pages/health'
import { ForecastPage } from './pages/outlook'
import { PlanPage } from './pages/plan'
import { QuarantinePage, RecordPage } from './pages/quarantine'
import { SchemaPage } from './pages/schema'
import { Schemas } from './pages/schemas'
import { paths } from './paths'
import { to, usePlace, type Place } from './router'
import type { Quarantine } from './types'
import { Announcer } from './ui/announce'
import { Page, showOpen } from './ui/page'
import { Empty, Words, useNow } from './ui/text'

const PAGES: Array<[string, string]> = [
  ['counts', 'Counts'], ['schemas', 'Schemas'], ['adjustments', 'Adjustments'],
  ['quarantine', 'Quarantine'], ['forecast', 'Forecast'], ['health', 'Health']
]

function Shown ({ at: { parts } }: { at: Place }) {
  const [page = 'counts', item, tab, ...rest] = parts
  switch (page) {
    case 'counts': return item === undefined ? <Counts /> : <CountPage key={item} name={item} />
    case 'schemas': return item === undefined ? <Schemas /> : <SchemaPage key={item} subject={item} tab={tab ?? 'versions'} rest={rest} />
    case 'adjustments': return item === undefined ? <Adjustments /> : <PlanPage key={item} id={item} />
    case 'quarantine': return item === undefined ? <QuarantinePage /> : <RecordPage key={item} id={item} />
    case 'forecast': return item === undefined ? <Forecast /> : <ForecastPage key={item} table={item} />
    case 'health': return <HealthPage />
    default: return <Page title="Not here"><Empty title="There is no such page">The address may be mistyped. <a href={to(['counts'])}>See the counts.</a></Empty></Page>
  }
}

function App () {
  const place = usePlace()
  const main = useRef<HTMLElement>(null)
  const where = place.parts.join('/')
  const first = useRef(true)
  useEffect(() => {
    // Whoever goes elsewhere by keyboard starts at the new page, not at the link that is gone.
    if (!first.current) {
      window.scrollTo(0, 0)
      main.current?.focus({ preventScroll: true })
    }
    first.current = false
  }, [where])
  const skip = (event: Event): void => {
    event.preventDefault()
    main.current?.focus()
  }
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>Skip to what the page is about</a>
      <Side at={place.parts[0] ?? 'counts'} />
      <main id="main" ref={main} tabIndex={-1}><Shown at={place} /></main>
      <Announcer />
    </>
  )
}

function Side ({ at }: { at: string }) {
  const plans = useLive<{ waiting: number }>(paths.plans(), 5_000)
  const records = useLive<Quarantine>(paths.quarantine(), 10_000)
  const news: Record<string, [number, string]> = {
    adjustments: [plans.data?.waiting ?? 0, 'waiting for you'],
    quarantine: [records.data?.total ?? 0, 'put aside']
  }
  const nav = useRef<HTMLElement>(null)
  useEffect(() => showOpen(nav.current), [at])
  return (
    <header class="side">
      <a class="mark" href={to(['counts'])}><Logo />Evercount</a>
      <nav aria-label="Pages" ref={nav}>
        <ul>
          {PAGES.map(([id, name]) => {
            const [n, what] = news[id] ?? [0, '']
            return (
              <li key={id}>
                <a href={to([id])} aria-current={id === at ? 'page' : undefined}>
                  {name}{n > 0 && <span class="news">{count(n)}<span class="heard"> {what}</span></span>}
                </a>
              </li>
            )
          })}
        </ul>
      </nav>
      <Pulse />
    </header>
  )
}

function Logo () {
  return (
    <svg viewBox="0 0 32 32" aria-hidden="true" width="22" height="22">
      <path d="M8 8v16M13 8v16M18 8v16M23 8v16" class="logo-strokes" />
      <path d="M4.5 22l23-12" class="logo-bar" />
    </svg>
  )
}

function Pulse () {
  const heard = useHeard()
  const now = useNow()
  const [still, setStill] = useState(false)
  const turn = (): void => {
    hold(!still)
    setStill(!still)
  }
  const state = still ? 'held' : heard === undefined ? 'asking' : heard.ok ? 'live' : 'lost'
  const words = { held: 'Held still', asking: 'Asking…', live: 'Live', lost: 'No answer' }[state]
  return (
    <div class={`pulse ${state}`}>
      <p><span class="dot" aria-hidden="true" />{words}{heard !== undefined && state !== 'live' && <span class="soft"> {relative(new Date(heard.at).toISOString(), now)}</span>}</p>
      <button type="button" class="button small" aria-pressed={still} onClick={turn}>{still ? 'Go on' : 'Hold still'}</button>
      <Target />
    </div>
  )
}

function Target () {
  const { data } = useLive<{ text: string, writes: boolean }>(paths.target(), 60_000)
  if (data === undefined) return null
  return <p class="target soft"><Words of={data.text} />{!data.writes && ', to be read only'}</p>
}

const place = document.getElementById('page')
if (place !== null) {
  place.replaceChildren()
  render(<App />, place)
}
