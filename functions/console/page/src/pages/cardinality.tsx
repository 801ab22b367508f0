// How many distinct values each field has, by the hour: estimates, with what they may be off by.
import { useLive } from '../api'
import { ErrorBars } from '../charts/points'
import { count, iso } from '../format'
import { paths } from '../paths'
import { to } from '../router'
import type { Cardinality } from '../types'
import { Loaded } from '../ui/states'
import { Table } from '../ui/table'
import { Empty, Section } from '../ui/text'

export function CardinalityTab ({ subject, field }: { subject: string, field?: string }) {
  const live = useLive<Cardinality>(paths.schema(subject, 'cardinality'), 5_000)
  return (
    <Loaded live={live}>
      {({ fields }) => {
        if (fields.length === 0) return <Empty title="No windows yet">Distinct values are counted by the hour, on the way; the first window appears as records arrive.</Empty>
        const shown = fields.find(one => one.path === field) ?? fields[0]
        return (
          <>
            <Section title="Distinct values" note="Estimates over all windows, ± one standard error.">
              <Table
                caption={`Distinct values of the fields of ${subject}`} rows={fields} id={one => one.path}
                tone={one => one === shown ? 'chosen' : undefined}
                columns={[
                  { name: 'field', head: true, cell: one => <a href={to(['schemas', subject, 'cardinality', one.path])} aria-current={one === shown ? 'true' : undefined}><code>{one.path}</code></a> },
                  { name: 'distinct', number: true, cell: one => one.distinct === null ? '' : `~${count(one.distinct)}` },
                  { name: '±', number: true, cell: one => one.distinct === null ? '' : count(off(one.distinct, one.distinct_error ?? 0)) },
                  { name: 'windows', number: true, cell: one => one.windows.length }
                ]}
              />
            </Section>
            {shown !== undefined && <Windows subject={subject} of={shown} />}
          </>
        )
      }}
    </Loaded>
  )
}

const off = (n: number, error: number): number => Math.ceil(n * error)

function Windows ({ subject, of: field }: { subject: string, of: Cardinality['fields'][number] }) {
  const estimates = field.windows.map(one => {
    const error = off(one.distinct, one.distinct_error)
    const at = (Date.parse(one.start) + Date.parse(one.end)) / 2000
    return { at, n: one.distinct, from: Math.max(0, one.distinct - error), to: one.distinct + error }
  })
  return (
    <Section title={`Windows of ${field.path}`} id="windows">
      {field.windows.length === 0
        ? <Empty title="No window has this field yet" />
        : <>
            <div class="panel">
              <ErrorBars
                of={estimates}
                label={`Distinct values of ${field.path} by window: ${field.windows.map(one => `about ${one.distinct}`).join(', ')}`}
              />
            </div>
            <Table
              caption={`Windows of ${field.path} in ${subject}`} rows={[...field.windows].reverse()} id={one => `${one.start} ${one.end}`}
              columns={[
                { name: 'from', head: true, cell: one => iso(one.start) },
                { name: 'to', wide: true, cell: one => iso(one.end) },
                { name: 'distinct', number: true, cell: one => `~${count(one.distinct)}` },
                { name: '±', number: true, cell: one => count(off(one.distinct, one.distinct_error)) },
                { name: 'lanes', number: true, wide: true, cell: one => one.lanes }
              ]}
            />
          </>}
    </Section>
  )
}
