// Whether all goes well: how far behind each lane is, what it costs, what is being filled, and what audits found.
import { useState } from 'preact/hooks'
import { useLive } from '../api'
import { count, figure, length, percent, plural } from '../format'
import { paths } from '../paths'
import { to } from '../router'
import type { Audit, CountHead, Health, Lane, Walk } from '../types'
import { Action } from '../ui/confirm'
import { Page } from '../ui/page'
import { Loaded, Progress } from '../ui/states'
import { Table } from '../ui/table'
import { Count, Empty, Section, Tag, Time, type Tone } from '../ui/text'
import { Filling } from '../ui/walk'

export function HealthPage () {
  const live = useLive<Health>(paths.health())
  return (
    <Page title="Health">
      <Loaded live={live}>
        {health => (
          <>
            <Tiles of={health} />
            <Section title="Lanes" note="The writer of one shard each. A lane that is long quiet has nothing to count, or nobody to count it.">
              {health.lanes.length === 0
                ? <Empty title="No lane has counted anything yet" run="evercount local">The item counter starts a lane with the first record of a shard.</Empty>
                : <Table
                    caption="Lanes" rows={[...health.lanes].sort(latest)} id={one => one.lane}
                    columns={[
                      { name: 'lane', head: true, cell: one => <code>{one.lane}</code> },
                      { name: 'records', number: true, cell: one => <Count of={one.records} /> },
                      { name: 'last record', cell: one => <Time at={one.at} /> },
                      { name: 'fenced', number: true, wide: true, cell: one => <Count of={one.fence} /> }
                    ]}
                  />}
            </Section>
          </>
        )}
      </Loaded>
      <Walks />
      <Audits never={live.data?.never_audited ?? []} />
    </Page>
  )
}

const latest = (one: Lane, other: Lane): number => (other.at ?? '').localeCompare(one.at ?? '')

function Tiles ({ of: health }: { of: Health }) {
  const since = health.lanes.map(lane => lane.seconds_since).filter((one): one is number => one !== null)
  const read = health.caches.hits + health.caches.misses
  const audit = health.last_audit
  return (
    <ul class="tiles">
      <Tile name="last record" value={since.length === 0 ? 'none yet' : `${length(Math.min(...since))} ago`} note={plural(health.lanes.length, 'lane')} />
      <Tile
        name="quarantine" value={count(health.quarantined)} tone={health.quarantined > 0 ? 'warn' : undefined} href={to(['quarantine'])}
        note={health.quarantined === 0 ? 'nothing is put aside' : 'counts are uncertain by them'}
      />
      <Tile
        name="open plans" value={count(health.open_plans)} tone={health.waiting_plans > 0 ? 'warn' : undefined} href={to(['adjustments'])}
        note={health.waiting_plans > 0 ? `${health.waiting_plans} of them for you` : 'none waits for you'}
      />
      <Tile name="adjustments have cost" value={`${figure(health.adjustments.write_units)} WU`} note={`and ${figure(health.adjustments.read_units)} read units`} />
      <Tile name="readings at hand" value={read === 0 ? '–' : percent(health.caches.hits / read)} note={`of ${count(read)} that were asked for`} />
      <Tile
        name="last audit" value={audit === null ? 'none' : verdict(audit)[0]} tone={audit === null ? undefined : verdict(audit)[1] === 'bad' ? 'bad' : undefined}
        note={audit === null ? 'no count was audited yet' : audit.count}
      />
      <Tile name="mode" value={health.mode} note={`catalog revision ${health.catalog_revision}`} />
      <Tile name="events to publish" value={count(health.unpublished)} tone={health.unpublished > 0 ? 'warn' : undefined} note="schema changes not sent yet" />
    </ul>
  )
}

function Tile ({ name, value, note, tone, href }: { name: string, value: string, note: string, tone?: string, href?: string }) {
  return (
    <li class={`tile ${tone ?? ''}`}>
      <p class="soft">{href === undefined ? name : <a href={href}>{name}</a>}</p>
      <p class="tile-value n">{value}</p>
      <p class="soft small">{note}</p>
    </li>
  )
}

function Walks () {
  const live = useLive<{ walks: Walk[] }>(paths.walks())
  const walks = live.data?.walks ?? []
  if (walks.length === 0) return null
  return (
    <Section title="Being filled" id="walks">
      <ul class="stories">
        {walks.map(walk => (
          <li key={walk.plan} class="story">
            <div class="story-head">
              <a class="name" href={to(['adjustments', walk.plan])}>{walk.count}</a>
              <Tag>{walk.state}</Tag>
              {walk.version !== null && <span class="soft">version {walk.version}</span>}
            </div>
            <Filling of={walk} />
          </li>
        ))}
      </ul>
    </Section>
  )
}

/** What an audit found, in a few words. */
function verdict (of: Audit): [string, Tone] {
  if (of.state === 'running') return ['running', 'plain']
  if (of.found === null) return ['failed', 'bad']
  const off = Object.values(of.found.differing).reduce((sum, n) => sum + n, 0)
  if (off + of.found.cells_off === 0) return ['all agree', 'good']
  if (of.found.clean) return ['repaired', 'good']
  return [off > 0 ? `${count(off)} differ` : plural(of.found.cells_off, 'cell') + ' off', 'bad']
}

function Audits ({ never }: { never: string[] }) {
  const live = useLive<{ audits: Audit[] }>(paths.audits())
  const counts = useLive<{ counts: CountHead[] }>(paths.counts(), 10_000)
  const [name, setName] = useState<string>()
  const names = (counts.data?.counts ?? []).map(one => one.name)
  const chosen = name ?? names[0]
  return (
    <Section title="Audits" note="An audit recounts a table row by row, while writers go on, and names the likely cause of each difference. What it found of a count stands as its certificate until the next one.">
      {chosen !== undefined && (
        <form class="switches" aria-label="A new audit" onSubmit={event => event.preventDefault()}>
          <label>
            Count
            <select value={chosen} onChange={event => setName(event.currentTarget.value)}>
              {names.map(one => <option key={one} value={one}>{one}</option>)}
            </select>
          </label>
          <Action<{ will: string | null }>
            label="Audit" title={`Audit ${chosen}?`} yes="Audit" path={paths.audits()} body={{ count: chosen }}
            told={() => `The audit of ${chosen} has begun.`}
          />
        </form>
      )}
      <Loaded live={live}>
        {({ audits }) => audits.length === 0
          ? <p class="soft more">No count was audited yet.</p>
          : <ul class="stories more">{audits.map(one => <Audited key={`${one.count} ${one.id}`} of={one} />)}</ul>}
      </Loaded>
      {never.length > 0 && <p class="soft more">Never audited: {never.map((one, place) => <>{place > 0 && ', '}<a href={to(['counts', one])}>{one}</a></>)}.</p>}
    </Section>
  )
}

function Audited ({ of }: { of: Audit }) {
  const [words, tone] = verdict(of)
  const found = of.found
  return (
    <li class="story">
      <div class="story-head">
        <a class="name" href={to(['counts', of.count])}>{of.count}</a>
        <Tag tone={tone}>{words}</Tag>
        <span class="soft">version {of.version}{of.one_in > 1 && `, one row in ${count(of.one_in)}`}{of.repair && ', repairing'}</span>
        <span class="push"><Time at={of.ended_at ?? of.started_at} /></span>
      </div>
      {of.state === 'running' && <Progress name="rows read" done={of.rows} of={of.of} left={of.seconds_left === null ? null : length(of.seconds_left)} />}
      {of.failure !== null && <p class="ink-bad">{of.failure}</p>}
      {found !== null && (
        <p class={found.clean ? undefined : 'ink-bad'}>
          <Count of={of.rows} /> rows read: <Count of={found.agreeing} /> counted right, <Count of={found.in_flux} /> changed too lately to judge
          {Object.entries(found.differing).map(([cause, n]) => <span key={cause}>, <strong class="ink-bad">{count(n)} {cause.replaceAll('_', ' ')}</strong></span>)}
          {found.repaired > 0 && <>, <Count of={found.repaired} /> repaired</>}
          {found.cells_judged && (found.cells_off === 0 ? '; every cell is what the ledger adds up to' : `; ${plural(found.cells_off, 'cell')} off`)}.
        </p>
      )}
    </li>
  )
}
