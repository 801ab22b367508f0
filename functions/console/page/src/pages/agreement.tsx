// What was seen of a new version beside the active one: how often they agree, over time and by group.
import { Lines } from '../charts/lines'
import { count, percent } from '../format'
import type { Compared, Story } from '../types'
import { Table } from '../ui/table'
import { Count, Section } from '../ui/text'
import { groupWords, relationWords } from '../words'

interface Seen extends Compared { at: number }

/** What the console has seen so far; where that is one sample, nothing had been compared when the plan was made. */
function points ({ plan, agreement }: Story): Seen[] {
  const seen = agreement.map(one => ({ ...one, at: Date.parse(one.at) / 1000 }))
  const first = seen[0]
  const made = Date.parse(plan.created_at) / 1000
  if (first === undefined || all(first) === 0 || first.at <= made) return seen
  // What was seen before this console looked is known of its last moment only.
  const { agreed, explained, unexplained, failed } = first
  const until = Math.max(made + 0.001, Math.min(Date.parse(plan.updated_at) / 1000, first.at - 0.001))
  return [{ at: made, agreed: 0, explained: 0, unexplained: 0, failed: 0 }, { at: until, agreed, explained, unexplained, failed }, ...seen]
}

const all = (of: Compared): number => of.agreed + of.explained + of.unexplained + of.failed

export function Agreement ({ of: story }: { of: Story }) {
  const { plan } = story
  const seen = points(story)
  const total = all(plan)
  const rows: Array<[string, Compared]> = [
    [plan.census.complete ? 'ledger rows, all' : 'ledger rows so far', plan.census],
    ['changes', plan.compared_changes],
    ...plan.by_group.map((one): [string, Compared] => [`of them in ${groupWords(one.key)}`, one])
  ]
  const asked = [
    plan.minimum.census ? 'every row, judged under both versions' : '',
    plan.minimum.changes > 0 ? `${count(plan.minimum.changes)} changes counted under both versions` : ''
  ].filter(Boolean).join(', and ')
  return (
    <Section
      title="What was seen" id="seen" note={`What is expected: ${relationWords(plan.relation)}. Asked for: ${asked === '' ? 'something to compare' : asked}.`}
      aside={total > 0 && <span class={plan.unexplained + plan.failed > 0 ? 'agree bad' : 'agree'}>{percent((plan.agreed + plan.explained) / total)} as planned</span>}
    >
      {seen.length > 1 && total > 0 && (
        <div class="panel">
          <Lines
            at={seen.map(one => one.at)} height={170}
            label={`${plan.agreed} comparisons agree, ${plan.explained} differ as planned, ${plan.unexplained} otherwise, ${plan.failed} failed`}
            lines={[
              { name: 'agree', values: seen.map(one => one.agreed), tone: 'accent' },
              { name: 'differ as planned', values: seen.map(one => one.explained), tone: 'soft', dashed: true },
              { name: 'differ otherwise, or failed', values: seen.map(one => one.unexplained + one.failed), tone: 'bad' }
            ]}
          />
        </div>
      )}
      <Table
        caption="Comparisons of the two versions" rows={rows} id={([name]) => name}
        columns={[
          { name: 'compared', head: true, cell: ([name]) => name },
          { name: 'agree', number: true, cell: ([, of]) => <Count of={of.agreed} /> },
          { name: 'as planned', number: true, cell: ([, of]) => <Count of={of.explained} /> },
          { name: 'otherwise', number: true, cell: ([, of]) => of.unexplained > 0 ? <strong class="ink-bad"><Count of={of.unexplained} /></strong> : <Count of={0} /> },
          { name: 'failed', number: true, wide: true, cell: ([, of]) => <Count of={of.failed} /> }
        ]}
      />
      {plan.census.rejudged > 0 && <p class="soft"><Count of={plan.census.rejudged} /> rows are counted otherwise than their image would be.</p>}
      {plan.census.not_remembered > 0 && <p class="soft"><Count of={plan.census.not_remembered} /> rows remember too little to be judged, and are counted as uncertain.</p>}
      {plan.census.examples.length > 0 && (
        <Table
          caption="Rows that differ, by the hash of their key" shown rows={plan.census.examples} id={one => one.key_hash}
          columns={[
            { name: 'key hash', head: true, cell: one => <code>{one.key_hash}</code> },
            { name: '', cell: one => one.outcome === 'failed' ? 'could not be judged' : 'differs' },
            { name: 'counts as', cell: one => one.group === null ? '(not counted)' : groupWords(one.group) },
            { name: 'the plan says', cell: one => one.image === null ? '(not counted)' : groupWords(one.image) }
          ]}
        />
      )}
    </Section>
  )
}
