// How probable schema changes are: by table, how good that was, and what to count ahead.
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { useLive } from '../api'
import { Lines } from '../charts/lines'
import { Reliability } from '../charts/points'
import { count, figure, percent, plural } from '../format'
import { paths } from '../paths'
import { to } from '../router'
import type { Advices, Bin, Chance, Forecasts, Learnt, Measured, Month, TableForecast } from '../types'
import { Page } from '../ui/page'
import { Loaded } from '../ui/states'
import { Table } from '../ui/table'
import { Empty, Facts, Section, Tag, Time, Words } from '../ui/text'
import { describeKind } from '../words'

const SELDOM = 15_000

const half = (of: TableForecast): number => of.cannot_judge !== undefined ? -1 : Math.max(0, ...(of.chances ?? []).filter(one => one.kind === 'any').map(one => one.p))

export function Forecast () {
  const live = useLive<Forecasts>(paths.forecasts(), SELDOM)
  const data = live.data
  return (
    <Page title="Forecast" lead="How probable it is that a table’s schema changes, each with its interval.">
      <Loaded live={live}>
        {({ tables, shadow, left_out: leftOut }) => tables.length === 0
          ? <Empty title="No tables yet" run="evercount forecast list">The schema listener fills the registry as records arrive; a forecast needs some history of a table.</Empty>
          : <>
              <Table
                caption="Probability of a schema change" rows={[...tables].sort((one, other) => half(other) - half(one))} id={one => one.table}
                columns={[
                  { name: 'table', head: true, cell: one => <a class="name" href={to(['forecast', one.table])}>{one.table}</a> },
                  ...horizons(tables).map((days): { name: string, cell: (one: TableForecast) => ComponentChildren, wide?: boolean } => ({
                    name: `${days} days`, ...(days === 90 ? { wide: true } : {}),
                    cell: one => one.cannot_judge === undefined ? <Interval of={one.chances?.find(each => each.kind === 'any' && each.days === days)} /> : ''
                  })),
                  { name: 'expected', cell: one => one.cannot_judge !== undefined
                    ? <span class="soft">cannot be judged: {one.cannot_judge}</span>
                    : <Time at={one.expected?.middle} brief /> },
                  { name: 'held ready', wide: true, cell: one => {
                    const ready = (shadow.find(each => each.table === one.table)?.columns ?? []).filter(column => column.state === 'expected')
                    return ready.length > 0 && <Tag>{plural(ready.length, 'column')}</Tag>
                  } },
                  { name: 'said', wide: true, cell: one => one.kept === undefined ? <span class="soft">just now</span> : <Time at={one.kept.made_at} brief /> }
                ]}
              />
              {leftOut.length > 0 && <ul class="notes">{leftOut.map(one => <li class="warn" key={one}>{one}</li>)}</ul>}
            </>}
      </Loaded>
      <Ahead />
      {data !== undefined && <OwnRecord months={data.reliability} learnt={data.learnt} />}
      {data !== undefined && <HowGood of={data.measured} />}
    </Page>
  )
}

function horizons (tables: TableForecast[]): number[] {
  return [...new Set(tables.flatMap(one => (one.chances ?? []).map(chance => chance.days)))].sort((one, other) => one - other)
}

/** What to count ahead; of one table, or of all. */
export function Ahead ({ table }: { table?: string }) {
  const live = useLive<Advices>(paths.advice(), SELDOM)
  const advice = (live.data?.advice ?? []).filter(one => table === undefined || one.table === table)
  const notes = (live.data?.notes ?? []).filter(one => table === undefined || one.includes(`\`${table}\``) || one.startsWith('no '))
  if (live.data === undefined || advice.length + notes.length === 0) return null
  return (
    <Section
      title="What to count ahead" id="advice"
      note="Counted now, it spares a table from being read again when the change comes. It is paid in writes until then; what it saves is a scan, as often as the change comes."
    >
      {advice.length > 0 && (
        <ul class="stories">
          {advice.map(one => (
            <li class="story" key={one.command}>
              <div class="story-head">
                <a class="name" href={to(['counts', one.count])}>{one.count}</a>
                <span>{one.extra.dimension !== undefined ? <>count by <code>{one.extra.dimension}</code> too</> : 'count what fails its condition too'}</span>
                <Tag tone={one.worth_it ? 'good' : 'faint'}>{one.worth_it ? 'worth it' : 'not worth it'}</Tag>
                <span class="push soft">needed with {percent(one.p)}</span>
              </div>
              <p class="soft"><Words of={one.because} /></p>
              {one.worth_it && <pre class="run"><code>{one.command}</code></pre>}
            </li>
          ))}
        </ul>
      )}
      {notes.length > 0 && <ul class="notes">{notes.map(one => <li key={one}><Words of={one} /></li>)}</ul>}
    </Section>
  )
}

/** How good the predictions here were: their own record, month by month. */
function OwnRecord ({ months, learnt }: { months: Month[], learnt: Learnt }) {
  const ended = learnt.confirmed + learnt.refuted
  const longest = Math.max(0, ...months.map(one => one.days))
  const of = months.filter(one => one.kind === 'any' && one.days === longest)
  const bins = together(of.flatMap(one => one.bins))
  const evidence = Object.entries(learnt.evidence)
  if (ended === 0) {
    return (
      <Section title="How good they were here" id="record">
        <Empty title="No prediction has come to its end yet">Each is scored when its half-year is over, and what that teaches moves what is said from then on. Until then, see below how good such forecasts were elsewhere.</Empty>
      </Section>
    )
  }
  return (
    <Section
      title="How good they were here" id="record"
      note={`Any change within ${longest} days, as it was said when each window began. On the dashed line, what was foretold with a probability came as often.`}
    >
      <div class="pair">
        <div><Reliability of={bins.map(bin => ({ foretold: bin.said, came: bin.came, n: bin.n }))} label={`Reliability here: ${bins.map(bin => `foretold ${percent(bin.said)}, came ${percent(bin.came)}`).join('; ')}`} /></div>
        <div>
          <Facts of={[
            { name: 'ended', value: <span class="n">{count(ended)}</span> },
            { name: 'tables changed', value: <span class="n">{count(learnt.confirmed)}</span> },
            { name: 'learnt', value: <>what is said now is moved by <span class="n">{figure(learnt.shift)}</span> in log-odds</> }
          ]} />
          {of.length > 1 && (
            <Lines
              at={of.map(one => Date.parse(one.month) / 1000)} whole={false} steps={false} height={180}
              lines={[{ name: 'Brier score by month, 0 is best', values: of.map(one => one.brier), tone: 'accent' }]}
              label={`Brier score by month: ${of.map(one => `${one.month.slice(0, 7)} ${one.brier === null ? 'none' : figure(one.brier)}`).join('; ')}`}
            />
          )}
          {evidence.length > 0 && (
            <Table
              caption="How often evidence for a column was right" shown rows={evidence} id={([name]) => name}
              columns={[
                { name: 'evidence', head: true, cell: ([name]) => <code>{name}</code> },
                { name: 'came', number: true, cell: ([, one]) => count(one.came) },
                { name: 'of', number: true, cell: ([, one]) => count(one.of) }
              ]}
            />
          )}
        </div>
      </div>
      <div class="more">
        <Table
          caption="By month" rows={[...of].reverse()} id={one => one.month}
          columns={[
            { name: 'ended in', head: true, cell: one => one.month.slice(0, 7) },
            { name: 'predictions', number: true, cell: one => count(one.n) },
            { name: 'came', number: true, cell: one => count(one.came) },
            { name: 'to be expected', number: true, cell: one => figure(one.said) },
            { name: 'Brier score', number: true, cell: one => one.brier === null ? '' : figure(one.brier) }
          ]}
        />
      </div>
    </Section>
  )
}

/** Bins of the same tenth, of several months, as one. */
function together (bins: Bin[]): Bin[] {
  const tenths = new Map<number, Bin>()
  for (const bin of bins) {
    const tenth = Math.min(9, Math.floor(bin.said * 10))
    const was = tenths.get(tenth) ?? { n: 0, said: 0, came: 0 }
    const n = was.n + bin.n
    tenths.set(tenth, { n, said: (was.said * was.n + bin.said * bin.n) / n, came: (was.came * was.n + bin.came * bin.n) / n })
  }
  return [...tenths.values()].sort((one, other) => one.said - other.said)
}

/** A probability as a mark on a line from 0 to 1, within its interval; the figures stand beside it. */
export function Interval ({ of }: { of?: Chance }) {
  if (of === undefined) return null
  const x = (share: number): number => Math.round(share * 1000) / 10
  return (
    <span class="interval">
      <svg viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">
        <line x1="0" y1="6" x2="100" y2="6" class="ground" />
        <line x1={x(of.from)} y1="6" x2={x(of.to)} y2="6" class="range" />
        <line x1={x(of.p)} y1="1" x2={x(of.p)} y2="11" class="mark" />
      </svg>
      <span class="n">{percent(of.p)} <span class="soft">{Math.round(of.from * 100)}–{Math.round(of.to * 100)}</span></span>
    </span>
  )
}

function HowGood ({ of }: { of: Measured[] }) {
  const [chosen, setChosen] = useState(0)
  const told = of.filter(one => one.reliability.length > 0)
  const one = told[chosen] ?? told[0]
  if (one === undefined) return null
  const name = ({ kind, days }: Measured): string => `${kind === 'any' ? 'any change' : describeKind(kind)} within ${days} days`
  const bins = one.reliability.map(bin => ({ foretold: bin.said, came: bin.came, n: bin.n }))
  return (
    <Section
      title="How good such forecasts are elsewhere" id="good"
      note="Measured on projects that the model had not seen. On the dashed line, what was foretold with a probability came as often; the larger the point, the more forecasts."
    >
      <form class="switches" aria-label="Which forecasts" onSubmit={event => event.preventDefault()}>
        <label>
          Forecasts of
          <select value={told.indexOf(one)} onChange={event => setChosen(Number(event.currentTarget.value))}>
            {told.map((each, place) => <option key={name(each)} value={place}>{name(each)}</option>)}
          </select>
        </label>
      </form>
      <div class="pair">
        <div><Reliability of={bins} label={`Reliability: ${bins.map(bin => `foretold ${percent(bin.foretold)}, came ${percent(bin.came)}`).join('; ')}`} /></div>
        <div>
          <Facts of={[
            { name: 'forecasts', value: <span class="n">{count(one.forecasts)}</span> },
            { name: 'changes came in', value: <span class="n">{percent(one.base_rate)}</span> },
            { name: 'Brier score', value: <><span class="n">{figure(one.brier)}</span> <span class="soft">{figure(one.brier_of_base_rate)} by the share alone</span></> },
            { name: 'AUC', value: <span class="n">{figure(one.auc)}</span> },
            { name: 'calibration error', value: <span class="n">{figure(one.calibration_error)}</span> }
          ]} />
          <Table
            caption={`How often ${name(one)} came`} rows={bins} id={bin => bin.foretold}
            columns={[
              { name: 'foretold', number: true, head: true, cell: bin => percent(bin.foretold) },
              { name: 'came', number: true, cell: bin => percent(bin.came) },
              { name: 'forecasts', number: true, cell: bin => count(bin.n) }
            ]}
          />
        </div>
      </div>
    </Section>
  )
}
