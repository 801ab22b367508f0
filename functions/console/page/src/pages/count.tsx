// One count: its total, how exact that is, and how it came about.
import { useLive } from '../api'
import { Lines, type Point } from '../charts/lines'
import { count, figure, iso } from '../format'
import { paths } from '../paths'
import { go, to, usePlace } from '../router'
import { useTrail } from '../trail'
import type { CountHead, Reading, Series, Versions } from '../types'
import { Action } from '../ui/confirm'
import { Doubts, Exactness } from '../ui/exactness'
import { Page } from '../ui/page'
import { Loaded } from '../ui/states'
import { Table } from '../ui/table'
import { Count, Facts, Section, Tag, Time, Words } from '../ui/text'
import { outcome, stateTone } from '../words'
import { Groups } from './groups'

export function CountPage ({ name }: { name: string }) {
  const { query } = usePlace()
  const [version, asOf] = [query.get('version') ?? undefined, query.get('as_of') ?? undefined]
  const isNow = version === undefined && asOf === undefined
  const live = useLive<Reading>(paths.count(name, { version, as_of: asOf, limit: 1 }))
  const heads = useLive<{ counts: CountHead[] }>(paths.counts())
  const versions = useLive<Versions>(paths.versions(name))
  const head = isNow ? heads.data?.counts.find(one => one.name === name) : undefined
  const trail = useTrail(isNow && live.data !== undefined ? [live.data] : undefined)
  return (
    <Page title={name} crumbs={[{ name: 'Counts', parts: ['counts'] }]} lead={live.data && <Counted of={live.data} />}>
      <Switches name={name} versions={versions.data} version={version} asOf={asOf} />
      <Loaded live={live}>
        {reading => (
          <>
            <Total of={reading} head={head} points={isNow ? trail(name) : []} />
            <Notes of={reading} head={head} />
            <Groups of={reading} version={version} asOf={asOf} />
          </>
        )}
      </Loaded>
      <LogicVersions name={name} of={versions.data} />
    </Page>
  )
}

function Counted ({ of }: { of: Reading }) {
  return (
    <span>
      items of <code>{of.table}</code>
      {of.where !== null && <> where <code>{of.where}</code></>}
      {of.group_by.length > 0 && <> by {of.group_by.map((path, place) => <span key={path}>{place > 0 && ', '}<code>{path}</code></span>)}</>}
      {of.distinct_of !== undefined && <>, and distinct <code>{of.distinct_of}</code></>}
    </span>
  )
}

function Switches ({ name, versions, version, asOf }: { name: string, versions?: Versions, version?: string, asOf?: string }) {
  const all = versions?.versions ?? []
  const active = all.find(one => one.state === 'active')
  const others = all.filter(one => one.state !== 'active' && (one.total !== null || String(one.number) === version || asOf !== undefined))
  return (
    <form class="switches" aria-label="What is shown" onSubmit={event => event.preventDefault()}>
      <label>
        Logic version
        <select
          value={version ?? ''}
          onChange={event => go(to(['counts', name], { version: event.currentTarget.value, as_of: asOf }))}
        >
          <option value="">{asOf !== undefined ? 'the one active then' : active === undefined ? 'the active one' : `${active.number}, the active one`}</option>
          {others.map(one => <option key={one.number} value={one.number}>{one.number}, {one.state}</option>)}
          {asOf !== undefined && active !== undefined && <option value={active.number}>{active.number}, active now</option>}
        </select>
      </label>
      <label>
        As of (UTC)
        <input
          type="datetime-local" step="1" value={asOf === undefined ? '' : asOf.slice(0, 19)}
          onChange={event => {
            const text = event.currentTarget.value
            const at = text === '' ? undefined : `${text.length === 16 ? `${text}:00` : text}Z`
            go(to(['counts', name], { version, as_of: at }))
          }}
        />
      </label>
      {(asOf !== undefined || version !== undefined) && <a class="button" href={to(['counts', name])}>Back to now</a>}
    </form>
  )
}

function Total ({ of, head, points }: { of: Reading, head?: CountHead, points: Point[] }) {
  const series = useLive<Series>(paths.series(of.name), 60_000)
  const kept = (series.data?.points ?? []).map(point => ({ at: Date.parse(point.at) / 1000, n: point.total }))
  const from = points[0]?.at ?? Number.POSITIVE_INFINITY
  const all = [...kept.filter(point => point.at < from), ...points]
  const at = Object.values(of.cut).map(lane => lane.at).filter((one): one is string => one !== null).sort().at(-1)
  return (
    <div class="panel total">
      <div class="total-figure">
        <p class="figure"><Count of={of.total} /></p>
        <p class="row">
          <Exactness of={head ?? of} />
          <span class="soft">{of.uncertain > 0 ? `between ${count(of.total - of.uncertain)} and ${count(of.total + of.uncertain)}` : 'items'}</span>
        </p>
        {of.distinct !== undefined && (
          <p>~<span class="n">{count(of.distinct)}</span> distinct <code>{of.distinct_of}</code>
            <span class="soft">, an estimate ± {figure((of.distinct_error ?? 0) * 100)} %</span></p>
        )}
        <Doubts of={head ?? of} />
        <Facts of={[
          { name: 'logic version', value: <><span class="n">{of.version}</span> <Tag tone={stateTone(of.state)}>{of.state}</Tag></> },
          of.as_of === null
            ? { name: 'last record counted', value: <Time at={at} /> }
            : { name: 'cut at', value: <Time at={of.as_of.cut_at} /> },
          of.as_of !== null && { name: 'asked for', value: iso(of.as_of.asked) },
          of.as_of !== null && { name: 'active then', value: of.as_of.active_version === null ? 'none' : `version ${of.as_of.active_version}` },
          of.by_delta > 0 && { name: 'counted by delta', value: <><Count of={of.by_delta} /> changes: the table has no key</> }
        ]} />
      </div>
      <div class="total-chart">
        {all.length > 1
          ? <Lines
              at={all.map(point => point.at)} height={190}
              lines={[{ name: 'items, at kept cuts and since this page is open', values: all.map(point => point.n), tone: 'accent' }]}
              label={`${of.name} from ${count(all[0]?.n ?? 0)} to ${count(all.at(-1)?.n ?? 0)} items`}
            />
          : <p class="soft chart-none">{of.as_of === null ? 'The chart begins as the count is watched.' : 'A reading of the past does not move.'}</p>}
      </div>
    </div>
  )
}

function Notes ({ of, head }: { of: Reading, head?: CountHead }) {
  const open = head?.open_plans ?? []
  if (open.length + of.missing.length === 0) return null
  return (
    <ul class="notes">
      {open.map(plan => plan.outcome === 'awaiting_approval'
        ? <li key={plan.id} class="warn"><a href={to(['adjustments', plan.id])}>A plan waits for you</a>: <Words of={plan.sentence} /></li>
        : <li key={plan.id}><a href={to(['adjustments', plan.id])}>A plan is {outcome(plan.outcome)[0]}</a>: <Words of={plan.sentence} /></li>)}
      {of.missing.map(one => <li key={one.atom}><Count of={one.n} /> items lack the attribute in <code>{one.atom}</code></li>)}
    </ul>
  )
}

function LogicVersions ({ name, of }: { name: string, of?: Versions }) {
  if (of === undefined || of.versions.length === 0) return null
  return (
    <Section
      title="Logic versions"
      aside={of.rollback !== null && (
        <Action
          label="Roll back" kind="bad" title={`Roll ${name} back?`} yes="Roll back" path={paths.rollback(name)}
          also={['It is one conditional write, and readers see it at once. Counts are then as if the version given up had never run.']}
        />
      )}
    >
      <Table
        caption={`Logic versions of ${name}`} rows={[...of.versions].reverse()} id={one => one.number}
        columns={[
          { name: 'version', number: true, head: true, cell: one => <a href={to(['counts', name], { version: one.number })}>{one.number}</a> },
          { name: 'state', cell: one => <Tag tone={stateTone(one.state)}>{one.state}</Tag> },
          { name: 'since', wide: true, cell: one => <Time at={one.state_since} /> },
          { name: 'items', number: true, cell: one => one.total === null ? <span class="soft">–</span> : <Count of={one.total} /> },
          { name: 'definition', wide: true, cell: one => one.definition.map(line => <code key={line} class="line">{line}</code>) },
          { name: 'made by', cell: one => one.plan === null
            ? <span class="soft">a person</span>
            : <a href={to(['adjustments', one.plan])}>plan<span class="heard"> that made version {one.number}</span></a> }
        ]}
      />
    </Section>
  )
}
