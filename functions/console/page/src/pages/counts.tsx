// All counts at a glance.
import { useLive } from '../api'
import { useTrail } from '../trail'
import type { CountHead } from '../types'
import { plural } from '../format'
import { Spark } from '../charts/lines'
import { paths } from '../paths'
import { to } from '../router'
import { Exactness } from '../ui/exactness'
import { Loaded } from '../ui/states'
import { Table } from '../ui/table'
import { Count, Empty } from '../ui/text'
import { Page } from '../ui/page'
import { outcome } from '../words'

export function Counts () {
  const live = useLive<{ counts: CountHead[] }>(paths.counts())
  const trail = useTrail(live.data?.counts)
  return (
    <Page title="Counts" lead={live.data && summary(live.data.counts)}>
      <Loaded live={live}>
        {({ counts }) => counts.length === 0
          ? <Empty title="No counts yet" run={'evercount count create orders_by_status --table orders --group-by status'}>
              A count is a table, attributes to group by, and a condition. Make one, write to the table, and watch it here.
            </Empty>
          : <Table
              caption="Counts" of="counts" rows={counts} id={one => one.name}
              columns={[
                {
                  name: 'count', head: true, cell: one => (
                    <>
                      <a class="name" href={to(['counts', one.name])}>{one.name}</a>
                      <span class="under">{one.table}</span>
                    </>
                  )
                },
                { name: 'items', number: true, cell: one => <strong><Count of={one.total} /></strong>, class: 'big' },
                { name: 'since open', wide: true, cell: one => <Spark points={trail(one.name)} label={`${one.name} since this page is open`} />, class: 'sparks' },
                { name: 'how exact', cell: one => <Exactness of={one} /> },
                { name: 'groups', number: true, wide: true, cell: one => <Count of={one.groups} /> },
                { name: 'version', number: true, wide: true, cell: one => <a href={to(['counts', one.name], { version: one.version })}>{one.version}</a> },
                { name: 'under way', cell: one => <UnderWay of={one} /> }
              ]}
            />}
      </Loaded>
    </Page>
  )
}

function summary (counts: CountHead[]): string {
  if (counts.length === 0) return ''
  const tables = new Set(counts.map(one => one.table)).size
  const doubtful = counts.filter(one => !one.exact).length
  const sure = counts.length - doubtful
  const exact = doubtful === 0 ? 'all exact' : sure === 0 ? 'none of them exact' : `${sure} of them exact`
  return `${plural(counts.length, 'count')} over ${plural(tables, 'table')}, ${exact}`
}

export function UnderWay ({ of }: { of: CountHead }) {
  const waits = of.open_plans.find(one => one.outcome === 'awaiting_approval')
  if (waits !== undefined) return <a href={to(['adjustments', waits.id])}>a plan waits for you</a>
  const open = of.open_plans[0]
  if (open !== undefined) return <a href={to(['adjustments', open.id])}>{outcome(open.outcome)[0]}{of.watched.length > 0 && `: version ${of.watched.join(', ')}`}</a>
  return null
}
