// The forecast of one table: what is said, why, what was said before and what came, and which columns are held ready.
import { useLive } from '../api'
import { Foretold, type Said } from '../charts/points'
import { percent, value } from '../format'
import { paths } from '../paths'
import type { Candidate, Chance, ShadowSchema, Standing, TableForecast, TableStory } from '../types'
import { Page } from '../ui/page'
import { Loaded } from '../ui/states'
import { Table } from '../ui/table'
import { Empty, Section, Tag, Time, Words, type Tone } from '../ui/text'
import { describeKind } from '../words'
import { Ahead, Interval } from './forecast'

const SELDOM = 10_000

const STANDINGS: Record<Standing, [string, Tone]> = {
  open: ['open', 'plain'], confirmed: ['came', 'good'], refuted: ['did not come', 'bad'], expired: ['cannot be judged any more', 'faint']
}

function Stands ({ as }: { as: Standing }) {
  const [words, tone] = STANDINGS[as]
  return <Tag tone={tone}>{words}</Tag>
}

export function ForecastPage ({ table }: { table: string }) {
  const live = useLive<TableStory>(paths.forecast(table), SELDOM)
  return (
    <Page title={table} crumbs={[{ name: 'Forecast', parts: ['forecast'] }]}>
      <Loaded live={live}>{story => <One of={story} />}</Loaded>
    </Page>
  )
}

function One ({ of: { now, past, happened, shadow } }: { of: TableStory }) {
  const chances = now.chances ?? []
  const kinds = [...new Set(chances.map(one => one.kind))]
  const days = [...new Set(chances.map(one => one.days))].sort((one, other) => one - other)
  return (
    <>
      <Outlook of={now} />
      {kinds.length > 0 && (
        <Section title="How probable" id="probable">
          <Table
            caption={`Probabilities of changes of ${now.table}`} rows={kinds} id={kind => kind}
            columns={[
              { name: 'change', head: true, cell: kind => kind === 'any' ? 'any change' : describeKind(kind) },
              ...days.map(within => ({
                name: `within ${within} days`,
                cell: (kind: string) => <Claim of={chances.find(one => one.kind === kind && one.days === within)} />
              }))
            ]}
          />
        </Section>
      )}
      <OverTime now={now} past={past} came={happened.map(one => Date.parse(one.at) / 1000)} />
      <Section title="Columns that may come or go" id="columns">
        {now.candidates.length === 0
          ? <Empty title="No column is foretold" run="evercount forecast import RELEASES.csv">Release plans, experiments and requests name columns before they come; without them, only columns that came and went before are candidates.</Empty>
          : <Table
              caption={`Columns of ${now.table} that may come or go`} rows={now.candidates} id={(one, place) => `${one.column} ${place}`}
              columns={[
                { name: 'column', head: true, cell: one => <code>{one.column}</code> },
                { name: 'may', cell: one => <Tag>{one.kind === 'drop' ? 'go' : 'come'}</Tag> },
                { name: 'type', wide: true, cell: one => one.type },
                { name: 'probability', number: true, cell: one => percent(one.p) },
                { name: 'when', cell: one => one.at === null ? <span class="soft">not known</span> : <Time at={one.at} brief /> },
                { name: 'why', wide: true, cell: one => <Why of={one} /> },
                { name: 'state', cell: one => <Stands as={one.state} /> }
              ]}
            />}
      </Section>
      <Shadow of={shadow} />
      {now.planned.length > 0 && (
        <Section title="Planned" note="What needs this table, by what was imported.">
          <ul class="bare">{now.planned.map(one => <li key={one.feature}><strong>{one.feature}</strong> <Time at={one.at} /></li>)}</ul>
        </Section>
      )}
      <Ahead table={now.table} />
      {past.length > 0 && (
        <Section title="Said before" id="past">
          <ul class="stories">
            {[...past].reverse().map(one => one.kept !== undefined && (
              <li class="story" key={one.kept.made_at}>
                <div class="story-head"><Stands as={one.kept.state} /><span class="push"><Time at={one.kept.made_at} /></span></div>
                <p><Words of={one.kept.summary} /></p>
              </li>
            ))}
          </ul>
        </Section>
      )}
    </>
  )
}

function Outlook ({ of }: { of: TableForecast }) {
  const { kept, expected } = of
  const window = kept !== undefined && (
    <p class="soft">
      Said <Time at={kept.made_at} brief />; its half-year ends <Time at={kept.ends_at} brief />. <Stands as={kept.state} />{kept.discrepancy !== '' && <> <Words of={kept.discrepancy} /></>}
    </p>
  )
  if (of.cannot_judge !== undefined) {
    return <div class="panel"><p class="sentence">It cannot be judged yet: {of.cannot_judge}.</p>{window}</div>
  }
  return (
    <div class="panel">
      <p class="sentence">
        {expected?.middle !== null && expected?.middle !== undefined
          ? <>The next change is as likely before <Time at={expected.middle} /> as after.</>
          : 'No change is expected within the time that can be judged.'}
      </p>
      {expected !== undefined && expected.from !== null && expected.to !== null && <p class="soft">Four in five come between <Time at={expected.from} /> and <Time at={expected.to} />.</p>}
      {of.because !== undefined && <p><Words of={of.because} /></p>}
      {window}
    </div>
  )
}

function Claim ({ of }: { of?: Chance }) {
  if (of === undefined) return null
  const said = of.said !== null && Math.abs(of.said[0] - of.p) >= 0.005 ? `said ${percent(of.said[0])}` : ''
  return (
    <>
      <Interval of={of} />
      {(said !== '' || of.came !== null) && <span class="under">{said}{of.came !== null && <> <Tag tone={of.came ? 'good' : 'faint'}>{of.came ? 'came' : 'did not come'}</Tag></>}</span>}
    </>
  )
}

function Why ({ of }: { of: Candidate }) {
  return <span class="clip"><Words of={of.discrepancy !== '' ? of.discrepancy : of.evidence ?? ''} /><span class="under">{of.precision}</span></span>
}

/** How probable a change was said to be, window by window, and when there was one. */
function OverTime ({ now, past, came }: { now: TableForecast, past: TableForecast[], came: number[] }) {
  const said: Said[] = [...past, now].flatMap(one => {
    const any = (one.chances ?? []).filter(each => each.kind === 'any').sort((a, b) => b.days - a.days)[0]
    if (any === undefined || any.said === null || one.kept === undefined) return []
    const [p, from, to] = any.said
    return [{ at: Date.parse(one.kept.made_at) / 1000, p, from, to }]
  })
  if (said.length === 0 || said.length + came.length < 2) return null
  const first = Math.min(...said.map(one => one.at))
  const shown = said.length > 1 ? came.filter(at => at >= first) : came
  return (
    <Section title="Over time" id="over-time" note={<>What was said of half a year, each with its interval of nine in ten; <span class="ink-retyped">▲</span> is a change of the schema.</>}>
      <div class="panel">
        <Foretold of={said} came={shown} label={`Any change within half a year: ${said.map(one => `${new Date(one.at * 1000).toISOString().slice(0, 10)} ${percent(one.p)}`).join('; ')}. The schema changed ${shown.length} times.`} />
      </div>
    </Section>
  )
}

function Shadow ({ of }: { of: ShadowSchema | null }) {
  return (
    <Section title="Shadow schema" note="Columns that are held ready: the data proxy takes them as if the table had them, and keeps their values beside it until it does.">
      {of === null || of.columns.length === 0
        ? <Empty title="No column is held ready">A column is, once it is believed in with 25 % or more.</Empty>
        : <Table
            caption={`Shadow schema of ${of.table}`} rows={of.columns} id={one => one.column}
            columns={[
              { name: 'column', head: true, cell: one => <code>{one.column}</code> },
              { name: 'type', cell: one => <>{one.type}{one.rules.length > 0 && <span class="under">{one.rules.join(', ')}</span>}</> },
              { name: 'default', wide: true, cell: one => 'default' in one ? <code>{value(one.default)}</code> : <span class="soft">none</span> },
              { name: 'probability', number: true, cell: one => percent(one.p) },
              { name: 'expected', cell: one => one.expected_at === null ? <span class="soft">not known</span> : <Time at={one.expected_at} brief /> },
              { name: 'why', wide: true, cell: one => <span class="clip"><Words of={one.because} />{one.prefetch !== null && <span class="under">fetched from {one.prefetch}</span>}</span> },
              { name: 'state', cell: one => <><Tag tone={one.state === 'moved' ? 'good' : one.state === 'given up' ? 'faint' : 'plain'}>{one.state}</Tag>{one.since !== null && <span class="under"><Time at={one.since} brief /></span>}</> }
            ]}
          />}
    </Section>
  )
}
