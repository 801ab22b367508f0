// One plan as a story: what changed, what follows for the count, why that is right, what it takes, what was seen,
// and what became of it.
import { useLive } from '../api'
import { figure, value } from '../format'
import { paths } from '../paths'
import { to } from '../router'
import type { Cost, Plan, PlanAction, Story, Walk } from '../types'
import { Action } from '../ui/confirm'
import { Page } from '../ui/page'
import { Loaded } from '../ui/states'
import { Table } from '../ui/table'
import { Section, Tag, Time, Words } from '../ui/text'
import { Filling } from '../ui/walk'
import { outcome, policyWords } from '../words'
import { Agreement } from './agreement'
import { Proof } from './proof'
import { ChangeLine } from './schema'

export function PlanPage ({ id }: { id: string }) {
  const live = useLive<Story>(paths.plan(id))
  const plan = live.data?.plan
  return (
    <Page title={plan === undefined ? 'Plan' : `A plan for ${plan.count}`} crumbs={[{ name: 'Adjustments', parts: ['adjustments'] }]}>
      <Loaded live={live}>{story => <Told of={story} />}</Loaded>
    </Page>
  )
}

function Told ({ of: story }: { of: Story }) {
  const { plan } = story
  return (
    <article>
      <Head of={story} />
      <Section title="What changed" note={<>Table <code>{plan.table}</code>, <Time at={plan.at} /></>}>
        {plan.changes.length === 0
          ? <p>{plan.change === 'fill' ? 'A person asked for the rows from before the count.' : 'A person asked for another definition of the count.'}</p>
          : <ul class="changes">{plan.changes.map((change, place) => <li key={place}><ChangeLine of={change} /></li>)}</ul>}
      </Section>
      <Section title="What follows for the count" note={<>Class <strong>{plan.class}</strong>: {story.class_words}.</>}>
        <Definition of={story} />
        {plan.assumptions.length > 0 && <ul class="bare">{plan.assumptions.map(one => <li key={one}>Taken for granted: <Words of={one} /></li>)}</ul>}
      </Section>
      <Proof of={story} />
      <Section title="What it takes" note={affected(plan)}><Costs of={plan} /></Section>
      {(plan.to_version !== null || plan.agreed + plan.unexplained + plan.failed > 0) && <Agreement of={story} />}
      {story.trail.length > 0 && (
        <Section title="What was done" id="trail">
          <ol class="timeline">
            {[...story.trail].reverse().map((one, place) => (
              <li key={place}>
                <div class="timeline-head"><strong>{one.what.replaceAll('_', ' ')}</strong><span class="push"><Time at={one.at} /></span></div>
                <p><Words of={one.summary} /></p>
              </li>
            ))}
          </ol>
        </Section>
      )}
    </article>
  )
}

function Head ({ of: story }: { of: Story }) {
  const { plan } = story
  const [, tone] = outcome(plan.outcome)
  const choices = story.actions.filter(one => one.choice !== null)
  return (
    <div class={`panel verdict ${tone}`}>
      <p class="row">
        <Tag tone={tone}>{story.outcome_words}</Tag>
        <Tag title={story.class_words}>{plan.class}</Tag>
        <span>version {plan.from_version}{plan.to_version !== null && ` → ${plan.to_version}`} of <a href={to(['counts', plan.count])}>{plan.count}</a></span>
        <span class="push soft">made <Time at={plan.created_at} /></span>
      </p>
      <p class="sentence"><Words of={plan.sentence} /></p>
      <p><strong>Verdict:</strong> {plan.verdict === null ? <span class="soft">none yet</span> : <Words of={plan.verdict} />}</p>
      {plan.change !== 'fill' && <p class="soft">Under the policy <code>{plan.policy}</code>, it {policyWords(plan.policy)}.</p>}
      {plan.outcome === 'backfilling' && <Walked plan={plan} />}
      {choices.length > 0 && <Choices of={story} />}
      {story.actions.length > choices.length && (
        <div class="row actions">
          {story.actions.filter(one => one.choice === null).map(one => <Button key={one.action} of={one} story={story} />)}
        </div>
      )}
      <p class="soft id">plan <code>{plan.id}</code></p>
    </div>
  )
}

const ACTIONS: Record<string, { label: string, title: string, kind: 'plain' | 'main' | 'bad' }> = {
  approve: { label: 'Approve', title: 'Approve this plan?', kind: 'main' },
  reject: { label: 'Reject', title: 'Reject this plan?', kind: 'bad' },
  promote: { label: 'Promote now', title: 'Promote without more evidence?', kind: 'plain' },
  rollback: { label: 'Roll back', title: 'Roll back?', kind: 'bad' }
}

function Button ({ of, story, label }: { of: PlanAction, story: Story, label?: string }) {
  const look = ACTIONS[of.action] ?? { label: of.action, title: `${of.action}?`, kind: 'plain' as const }
  // What was confirmed is what was shown: where the plan has moved on, the API says so and does nothing.
  const body = of.action === 'rollback' ? {} : { revision: story.revision, ...(of.choice === null ? {} : { choice: of.choice }) }
  return (
    <Action
      label={label ?? look.label} title={look.title} kind={look.kind} yes={label ?? look.label} body={body}
      path={of.path.replace(/^\//, '')}
      also={of.action === 'rollback' ? ['It is one conditional write, and readers see it at once. Counts are then as if the version given up had never run.'] : []}
    />
  )
}

function Choices ({ of: story }: { of: Story }) {
  return (
    <div class="choices">
      <p>Nobody but you can say what the change means. Meanwhile the count does what the first answer says.</p>
      <ol>
        {story.plan.choices.map(choice => {
          const action = story.actions.find(one => one.choice === choice.choice)
          return (
            <li key={choice.choice}>
              <p><strong><Words of={choice.answer} /></strong></p>
              <p class="soft"><Words of={choice.consequence} /></p>
              {choice.becomes?.map(line => <code key={line} class="line">{line}</code>)}
              {action !== undefined && <Button of={action} story={story} label="This is so" />}
            </li>
          )
        })}
      </ol>
    </div>
  )
}

function Walked ({ plan }: { plan: Plan }) {
  const live = useLive<{ walks: Walk[] }>(paths.walks())
  const walk = live.data?.walks.find(one => one.plan === plan.id)
  return walk === undefined ? null : <Filling of={walk} />
}

/** The definition before and after, part by part. */
function Definition ({ of: { plan, was } }: { of: Story }) {
  const before = was === null ? undefined : parts(was)
  const after = plan.becomes === null ? before : parts(plan.becomes)
  if (after === undefined) return <p class="soft">The definition stays as it is.</p>
  const names = [...new Set([...(before?.keys() ?? []), ...after.keys()])]
  return (
    <Table
      caption="The definition before and after" rows={names} id={part => part}
      tone={part => before !== undefined && before.get(part) !== after.get(part) ? 'moved' : undefined}
      columns={[
        { name: 'part', head: true, cell: part => <span class="soft">{part}</span> },
        { name: `version ${plan.from_version}`, cell: part => <code>{before?.get(part) ?? '–'}</code> },
        { name: plan.to_version === null ? 'new' : `version ${plan.to_version}`, cell: part => <code>{after.get(part) ?? '–'}</code> }
      ]}
    />
  )
}

function parts (lines: string[]): Map<string, string> {
  return new Map(lines.map(line => {
    const [part = '', ...text] = line.split(': ')
    return [part, text.join(': ')]
  }))
}

function affected (plan: Plan): string {
  if (plan.affected === 'none') return plan.estimate.ledger_rows > 0 ? 'The ledger rows of the table are looked at; the source is not read.' : 'No partition has to be looked at.'
  if (plan.affected === 'all') return `All of ${plan.table} has to be looked at.`
  return `Only items whose ${plan.affected.attribute} is ${plan.affected.values.map(value).join(', ')} have to be looked at.`
}

const COSTS: Array<[keyof Cost, string]> = [
  ['ledger_rows', 'ledger rows read'], ['source_items', 'source items read'], ['read_units', 'read units'],
  ['write_units', 'write units'], ['cpu_seconds', 'CPU seconds'], ['seconds', 'seconds']
]

function Costs ({ of: plan }: { of: Plan }) {
  const rows = COSTS.filter(([of]) => plan.estimate[of] > 0 || plan.actual[of] > 0)
  if (rows.length === 0) return <p>Nothing: the counts follow at once.</p>
  return (
    <Table
      caption="Cost, estimated and actual" of="narrow" rows={rows} id={([of]) => of}
      columns={[
        { name: 'cost', head: true, cell: ([, name]) => name },
        { name: 'estimate', number: true, cell: ([of]) => figure(plan.estimate[of]) },
        { name: 'actual', number: true, cell: ([of]) => plan.actual[of] > 0 || plan.progress.done ? figure(plan.actual[of]) : <span class="soft">–</span> }
      ]}
    />
  )
}
