// The groups of a reading: the largest first, found by a part of their values, as many as somebody asks for.
import { useState } from 'preact/hooks'
import { useLive } from '../api'
import { count, percent, plural } from '../format'
import { paths } from '../paths'
import type { Group, Reading } from '../types'
import { Loaded } from '../ui/states'
import { Table } from '../ui/table'
import { Count, Empty, Section } from '../ui/text'
import { groupWords } from '../words'

/** Groups that are shown at first, and at most: a search finds the rest. */
const SHOWN = 50
const SHOWN_MAX = 1_000
/** With fewer groups nobody needs a search. */
const SEARCHED_FROM = 13

export function Groups ({ of, version, asOf }: { of: Reading, version?: string, asOf?: string }) {
  const [wanted, setWanted] = useState('')
  const [shown, setShown] = useState(SHOWN)
  const live = useLive<Reading>(paths.count(of.name, { version, as_of: asOf, limit: shown, search: wanted }))
  if (of.groups_total === 0) {
    return (
      <Section title="Groups">
        {of.total === 0
          ? <Empty title="No items counted yet" run={`aws dynamodb put-item --table-name ${of.table} --item '{"id": {"S": "o-1"}}'`}>
              Each item of <code>{of.table}</code> that this counts is seen here within seconds.
            </Empty>
          : <p class="soft">It is grouped by nothing: the total is all there is.</p>}
      </Section>
    )
  }
  return (
    <Section title="Groups" aside={<span class="soft">{plural(of.groups_total, 'group')}</span>}>
      {of.groups_total >= SEARCHED_FROM && (
        <label class="filter">
          Find a group
          <input type="search" value={wanted} onInput={event => { setWanted(event.currentTarget.value); setShown(SHOWN) }} />
        </label>
      )}
      <Loaded live={live}>
        {reading => (
          <>
            <List of={reading} />
            {reading.groups.length === 0 && <p class="soft" role="status">No group has “{wanted}” in it.</p>}
            {reading.next !== null && (shown < SHOWN_MAX
              ? <p class="more"><button type="button" class="button" onClick={() => setShown(Math.min(shown * 4, SHOWN_MAX))}>
                  Show more: {count(reading.groups_total - reading.groups.length)} are not shown
                </button></p>
              : <p class="soft more">{count(reading.groups_total - reading.groups.length)} more; a search finds them.</p>)}
          </>
        )}
      </Loaded>
      {of.overflow !== 0 && <p class="soft more">Other groups, counted together: <Count of={of.overflow} /></p>}
    </Section>
  )
}

function List ({ of }: { of: Reading }) {
  const most = Math.max(1, ...of.groups.map(group => Math.abs(group.n)))
  const heading = of.group_by.length > 0 ? of.group_by.join(', ') : 'group'
  return (
    <Table
      caption={`Groups of ${of.name}`} of="groups" rows={of.groups} id={group => JSON.stringify(group.key)}
      columns={[
        { name: heading, head: true, cell: group => <Name of={group} by={of.group_by} /> },
        { name: 'items', number: true, cell: group => <Count of={group.n} /> },
        of.distinct_of !== undefined && {
          name: `distinct ${of.distinct_of}`, number: true, cell: group => group.distinct === undefined ? '' : <>~<Count of={group.distinct} /></>
        },
        { name: 'share', number: true, wide: true, cell: group => <span class="soft n">{of.total > 0 ? percent(group.n / of.total) : ''}</span> },
        { name: '', wide: true, class: 'bars', cell: group => <meter class="bar" aria-hidden="true" min={0} max={most} value={Math.max(0, group.n)} /> }
      ]}
    />
  )
}

function Name ({ of, by }: { of: Group, by: string[] }) {
  const words = groupWords(of.key)
  // Under a heading that names the one attribute, its value is enough.
  const isOne = by.length === 1 && Object.keys(of.key).length === 1
  return <>{isOne ? words.slice(words.indexOf(' = ') + 3) : words}</>
}
