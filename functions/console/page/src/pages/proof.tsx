// Why a plan is right: the map from stored counts to new ones, or two tables that nobody could tell apart without
// reading rows.
import { count, value } from '../format'
import type { Counted, Groups, Story, WitnessTable } from '../types'
import { Table } from '../ui/table'
import { Count, Section } from '../ui/text'
import { groupWords } from '../words'

export function Proof ({ of: story }: { of: Story }) {
  const { plan } = story
  const proof = plan.certificate
  switch (proof.kind) {
    case 'untouched':
      return <Section title="Why the stored counts are enough" id="proof"><p>Nothing that the count reads has changed.</p></Section>
    case 'exact':
      return (
        <Section title="Why the stored counts are enough" id="proof" note="For every table, the new counts are an image of the stored ones:">
          <Image of={story} />
        </Section>
      )
    case 'witness':
      return (
        <Section
          title="Why the stored counts are not enough" id="proof"
          note="Two tables have the same stored counts and different new ones, so no arithmetic on the stored counts can be right for both:"
        >
          <Witness of={story.witness ?? [{ rows: proof.one ?? [], stored: [], new: [] }, { rows: proof.other ?? [], stored: [], new: [] }]} />
          {story.groups !== null && <Image of={story} />}
        </Section>
      )
    default:
      return (
        <Section title={plan.class === 'A6' ? 'What happens meanwhile' : 'What is proved'} id="proof">
          <p>{plan.class !== 'A6'
            ? 'Nothing: what is asked for cannot be told from the counts, and is looked up.'
            : story.groups === null
              ? 'Until somebody says what the change means, the logic stays as it is.'
              : 'Until somebody says what the change means, the count goes on for both answers.'}</p>
        </Section>
      )
  }
}

function Image ({ of: { plan, groups, groups_total: all } }: { of: Story }) {
  const { words = [], keep } = plan.certificate
  return (
    <>
      <ul class="bare proof">
        {words.map(one => <li key={one}><code>{one}</code></li>)}
        {typeof keep === 'string' && <li>only groups where <code>{keep}</code> go on</li>}
        {words.length === 0 && typeof keep !== 'string' && <li>Every group goes on as it is.</li>}
      </ul>
      {groups !== null && groups.length > 0 && (
        <Table
          caption="Where the groups that are stored now go" shown rows={groups} id={one => JSON.stringify(one)}
          columns={[
            { name: 'stored', head: true, cell: one => groupWords(one.was) },
            { name: 'becomes', cell: one => one.becomes === null ? <span class="soft">no longer counted</span> : groupWords(one.becomes) },
            { name: 'items', number: true, cell: one => <Count of={one.n} /> }
          ]}
        />
      )}
      {groups !== null && all > groups.length && <p class="soft more">and {count(all - groups.length)} more groups</p>}
    </>
  )
}

function Witness ({ of: [one, other] }: { of: [WitnessTable, WitnessTable] }) {
  // Where nothing says what would be counted, neither has any.
  const isTold = one.new.length + other.new.length > 0
  return (
    <div class="pair">
      <One name="One table" of={one} isTold={isTold} />
      <One name="Another table" of={other} isTold={isTold} />
    </div>
  )
}

function One ({ name, of, isTold }: { name: string, of: WitnessTable, isTold: boolean }) {
  return (
    <div>
      <Rows caption={name} of={of.rows} />
      <dl class="facts">
        <div><dt>stored counts, the same</dt><dd><Cells of={of.stored} /></dd></div>
        {isTold && <div><dt>new counts, which differ</dt><dd><strong><Cells of={of.new} /></strong></dd></div>}
      </dl>
    </div>
  )
}

function Cells ({ of }: { of: Counted[] }) {
  if (of.length === 0) return <span class="soft">nothing</span>
  return <>{of.map((cell, place) => <span key={place} class="line">{cell.key === null ? '(other groups)' : groupWords(cell.key)}: <Count of={cell.n} /></span>)}</>
}

function Rows ({ caption, of }: { caption: string, of: Groups[] }) {
  const names = [...new Set(of.flatMap(row => Object.keys(row)))]
  if (of.length === 0) return <p>{caption}: <span class="soft">no rows</span></p>
  if (names.length === 0) return <p>{caption}: <span class="soft">{of.length === 1 ? 'a row' : `${of.length} rows`} without attributes</span></p>
  return (
    <Table
      caption={caption} shown rows={of} id={(_, place) => place}
      columns={names.map(name => ({
        name, cell: (row: Groups) => name in row ? <code>{value(row[name])}</code> : <span class="soft">missing</span>
      }))}
    />
  )
}
