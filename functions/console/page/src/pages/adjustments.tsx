// All plans: first what waits for a person, then what is under way, then what was.
import { useLive } from '../api'
import { plural } from '../format'
import { paths } from '../paths'
import { to } from '../router'
import type { Plan } from '../types'
import { Page } from '../ui/page'
import { Loaded } from '../ui/states'
import { Empty, Section, Tag, Time, Words } from '../ui/text'
import { classWords, isOpen, outcome } from '../words'

export function Adjustments () {
  const live = useLive<{ open: number, waiting: number, plans: Plan[] }>(paths.plans())
  const { open = 0, waiting = 0, plans = [] } = live.data ?? {}
  const waits = plans.filter(plan => plan.outcome === 'awaiting_approval')
  const under = plans.filter(plan => isOpen(plan) && plan.outcome !== 'awaiting_approval')
  const over = plans.filter(plan => !isOpen(plan))
  return (
    <Page
      title="Adjustments"
      lead={plans.length > 0 && `${plural(plans.length, 'plan')}, ${open} open, of which ${waiting === 1 ? '1 waits' : `${waiting} wait`} for you`}
    >
      <Loaded live={live}>
        {() => plans.length === 0
          ? <Empty title="No plans yet" run={'evercount plan simulate orders_by_status "rename column status to state"'}>
              Each schema change of a counted table makes a plan for each count, and so does another definition. What one would say can be tried.
            </Empty>
          : <>
              <Part title="Waits for you" of={waits} />
              <Part title="Under way" of={under} />
              <Part title="Done" of={over} />
            </>}
      </Loaded>
    </Page>
  )
}

function Part ({ title, of }: { title: string, of: Plan[] }) {
  if (of.length === 0) return null
  return (
    <Section title={title}>
      <ul class="stories">
        {of.map(plan => {
          const [what, tone] = outcome(plan.outcome)
          return (
            <li key={plan.id} class={plan.outcome === 'awaiting_approval' ? 'story waits' : 'story'}>
              <div class="story-head">
                <a class="name" href={to(['adjustments', plan.id])}>{plan.count}</a>
                <Tag tone={tone}>{what}</Tag>
                <Tag title={classWords(plan.class)}>{plan.class}</Tag>
                <span class="soft">version {plan.from_version}{plan.to_version !== null && ` → ${plan.to_version}`}</span>
                <span class="push"><Time at={plan.created_at} /></span>
              </div>
              <p><Words of={plan.sentence} /></p>
            </li>
          )
        })}
      </ul>
    </Section>
  )
}
