// All subjects that have a schema.
import { useLive } from '../api'
import { plural } from '../format'
import { paths } from '../paths'
import { to } from '../router'
import type { Subject } from '../types'
import { Page } from '../ui/page'
import { Loaded } from '../ui/states'
import { Table } from '../ui/table'
import { Empty, Tag, Time } from '../ui/text'
import { describeKind } from '../words'

export function Schemas () {
  const live = useLive<{ subjects: Subject[] }>(paths.schemas())
  const pending = live.data?.subjects.reduce((sum, one) => sum + one.pending, 0) ?? 0
  return (
    <Page
      title="Schemas"
      lead={live.data && live.data.subjects.length > 0 &&
        `${plural(live.data.subjects.length, 'subject')}${pending > 0 ? `, ${plural(pending, 'change waits', 'changes wait')}` : ''}`}
    >
      <Loaded live={live}>
        {({ subjects }) => subjects.length === 0
          ? <Empty title="No schemas yet" run={'evercount local'}>
              The schema listener registers a subject when its first records arrive. Connect a table, or write to one beside `evercount local`.
            </Empty>
          : <Table
              caption="Subjects" rows={subjects} id={one => one.subject}
              columns={[
                {
                  name: 'subject', head: true, cell: one => (
                    <>
                      <a class="name" href={to(['schemas', one.subject])}>{one.subject}</a>
                      {one.dropped && <> <Tag tone="faint">dropped</Tag></>}
                      <span class="under">{one.origin}</span>
                    </>
                  )
                },
                { name: 'version', number: true, cell: one => one.version ?? 'none yet' },
                { name: 'fields', number: true, wide: true, cell: one => one.fields },
                { name: 'last change', cell: one => kinds(one.changes) },
                { name: 'changed', wide: true, cell: one => <Time at={one.changed_at} /> },
                { name: 'drift', number: true, wide: true, cell: one => one.drift?.toFixed(3) },
                { name: 'waiting', cell: one => one.pending > 0 && <Tag tone="warn">{plural(one.pending, 'change')}</Tag> }
              ]}
            />}
      </Loaded>
    </Page>
  )
}

function kinds (changes: string[] | null): string {
  if (changes === null || changes.length === 0) return 'first seen'
  const told = new Map<string, number>()
  for (const kind of changes) told.set(kind, (told.get(kind) ?? 0) + 1)
  return [...told].map(([kind, n]) => n > 1 ? `${describeKind(kind)} ×${n}` : describeKind(kind)).join(', ')
}
