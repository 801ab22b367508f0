// How probable schema changes are: by table, and how good such forecasts have been.
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { useLive } from '../api'
import { Reliability } from '../charts/points'
import { count, figure, percent } from '../format'
import { paths } from '../paths'
import { to } from '../router'
import type { Chance, Measured, TableForecast } from '../types'
import { Page } from '../ui/page'
import { Loaded } from '../ui/states'
import { Table } from '../ui/table'
import { Empty, Facts, Section, Tag, Time, Words } from '../ui/text'
import { describeKind } from '../words'

interface Forecasts { at: string, tables: TableForecast[], measured: Measured[] }

const FOREVER = 60_000

const half = (of: TableForecast): number => of.cannot_judge !== undefined ? -1 : Math.max(0, ...(of.chances ?? []).filter(one => one.kind === 'any').map(one => one.p))

export function Forecast () {
  const live = useLive<Forecasts>(paths.forecasts(), FOREVER)
  return (
    <Page title="Forecast" lead="How probable it is that a table’s schema changes, each with its interval.">
      <Loaded live={live}>
        {({ tables }) => tables.length === 0
          ? <Empty title="No tables yet" run="evercount forecast list">The schema listener fills the registry as records arrive; a forecast needs some history of a table.</Empty>
          : <Table
              caption="Probability of a schema change" rows={[...tables].sort((one, other) => half(other) - half(one))} id={one => one.table}
              columns={[
                { name: 'table', head: true, cell: one => <a class="name" href={to(['forecast', one.table])}>{one.table}</a> },
                ...horizons(tables).map((days): { name: string, cell: (one: TableForecast) => ComponentChildren, wide?: boolean } => ({
                  name: `${days} days`, ...(days === 90 ? { wide: true } : {}),
                  cell: one => one.cannot_judge === undefined ? <Interval of={one.chances?.find(each => each.kind === 'any' && each.days === days)} /> : ''
                })),
                { name: 'expected', cell: one => one.cannot_judge !== undefined
                  ? <span class="soft">cannot be judged: {one.cannot_judge}</span>
                  : <Time at={one.expected?.middle} brief /> }
              ]}
            />}
      </Loaded>
      {live.data !== undefined && <HowGood of={live.data.measured} />}
    </Page>
  )
}

function horizons (tables: TableForecast[]): number[] {
  return [...new Set(tables.flatMap(one => (one.chances ?? []).map(chance => chance.days)))].sort((one, other) => one - other)
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

export function ForecastPage ({ table }: { table: string }) {
  const live = useLive<Forecasts>(paths.forecasts(), FOREVER)
  return (
    <Page title={table} crumbs={[{ name: 'Forecast', parts: ['forecast'] }]}>
      <Loaded live={live}>
        {({ tables }) => {
          const found = tables.find(one => one.table === table)
          if (found === undefined) return <Empty title="Nothing is forecast of this table">It is not in the registry. <a href={to(['forecast'])}>See what is.</a></Empty>
          return <One of={found} />
        }}
      </Loaded>
    </Page>
  )
}

function One ({ of }: { of: TableForecast }) {
  const chances = of.chances ?? []
  const kinds = [...new Set(chances.map(one => one.kind))]
  const days = [...new Set(chances.map(one => one.days))].sort((one, other) => one - other)
  return (
    <>
      {of.cannot_judge !== undefined
        ? <Empty title="It cannot be judged">{of.cannot_judge}</Empty>
        : <div class="panel">
            <p class="sentence">
              {of.expected?.middle !== null && of.expected?.middle !== undefined
                ? <>The next change is as likely before <Time at={of.expected.middle} /> as after.</>
                : 'No change is expected within the time that can be judged.'}
            </p>
            {of.expected?.from !== null && of.expected?.to !== null && <p class="soft">Four in five come between <Time at={of.expected?.from} /> and <Time at={of.expected?.to} />.</p>}
            {of.because !== undefined && <p><Words of={of.because} /></p>}
          </div>}
      {kinds.length > 0 && (
        <Section title="How probable" id="probable">
          <Table
            caption={`Probabilities of changes of ${of.table}`} rows={kinds} id={kind => kind}
            columns={[
              { name: 'change', head: true, cell: kind => kind === 'any' ? 'any change' : describeKind(kind) },
              ...days.map(within => ({ name: `within ${within} days`, cell: (kind: string) => <Interval of={chances.find(one => one.kind === kind && one.days === within)} /> }))
            ]}
          />
        </Section>
      )}
      <Section title="Shadow schema" note="Columns that may come, go or change; nothing follows from it until it happens.">
        {of.candidates.length === 0
          ? <Empty title="No column is foretold" run={`evercount forecast explain ${of.table} --releases RELEASES.txt`}>Release plans name columns before they come; without one, only columns that came and went before are candidates.</Empty>
          : <Table
              caption={`Columns of ${of.table} that may change`} rows={of.candidates} id={(one, place) => `${one.column} ${place}`}
              columns={[
                { name: 'column', head: true, cell: one => <code>{one.column}</code> },
                { name: 'may', cell: one => <Tag>{describeKind(one.kind)}</Tag> },
                { name: 'type', wide: true, cell: one => one.type },
                { name: 'probability', number: true, cell: one => percent(one.p) },
                { name: 'when', cell: one => one.at === null ? <span class="soft">not known</span> : <Time at={one.at} /> },
                { name: 'how good such are', wide: true, cell: one => <span class="soft">{one.precision}</span> }
              ]}
            />}
      </Section>
      <Section title="What to do about it" id="advice">
        <ul class="bare">{advice(of).map(one => <li key={one}><Words of={one} /></li>)}</ul>
      </Section>
    </>
  )
}

function advice (of: TableForecast): string[] {
  const soon = of.chances?.find(one => one.kind === 'any' && one.days === 30)
  const told: string[] = []
  if (of.cannot_judge !== undefined) told.push('Nothing has to be done: what changes is found when it comes, and planned for then.')
  if (soon !== undefined && soon.p >= 0.5) told.push('A change within a month is more likely than not: look at `evercount policy show`, and decide now which plans may go on by themselves.')
  if (soon !== undefined && soon.p < 0.5) told.push('No hurry: a change within a month is less likely than not.')
  for (const one of of.candidates.filter(one => one.kind.includes('drop') || one.kind.includes('rename')).slice(0, 3)) {
    told.push(`\`${one.column}\` may go: try what that would do with \`evercount plan simulate COUNT "drop column ${one.column}"\`.`)
  }
  return told
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
      title="How good such forecasts are" id="good"
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
