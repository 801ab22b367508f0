// Who writes a table, who reads it, and which version of its schema each reader has applied.
import { useLive } from '../api'
import { plural } from '../format'
import { paths } from '../paths'
import type { Lineage } from '../types'
import { Loaded } from '../ui/states'
import { Table } from '../ui/table'
import { Count, Empty, Section, Tag, Time } from '../ui/text'

export function LineageTab ({ subject }: { subject: string }) {
  const live = useLive<Lineage>(paths.schema(subject, 'lineage'))
  return (
    <Loaded live={live}>
      {lineage => (
        <>
          <Flow of={lineage} />
          <Section title="Who writes it">
            {lineage.producers.length === 0
              ? <Empty title="Nobody seen yet">A producer is named as its first record arrives.</Empty>
              : <Table
                  caption={`Producers of ${subject}`} rows={lineage.producers} id={one => `${one.kind} ${one.name}`}
                  columns={[
                    { name: 'producer', head: true, cell: one => <code>{one.name}</code> },
                    { name: 'kind', cell: one => one.kind.replaceAll('_', ' ') },
                    { name: 'records', number: true, cell: one => <Count of={one.records} /> },
                    { name: 'first', wide: true, cell: one => <Time at={one.first} /> },
                    { name: 'last', cell: one => <Time at={one.last} /> }
                  ]}
                />}
          </Section>
          <Section title="Who has applied which version" note={lineage.version === null ? undefined : `The current version is ${lineage.version}.`}>
            {lineage.consumers.length === 0
              ? <Empty title="No reader has said anything yet" run={`evercount schema ack ${subject} READER --version ${lineage.version ?? 1}`}>
                  A reader is listed once it has acknowledged a version; the event transformer does so by itself.
                </Empty>
              : <Table
                  caption={`Readers of ${subject}`} rows={lineage.consumers} id={one => one.name}
                  columns={[
                    { name: 'reader', head: true, cell: one => <code>{one.name}</code> },
                    { name: 'has applied', cell: one => one.applied === null ? <span class="soft">none yet</span> : <>version <span class="n">{one.applied.version}</span></> },
                    { name: 'behind', cell: one => one.behind === null
                      ? ''
                      : one.behind === 0 ? <Tag tone="good">current</Tag> : <Tag tone="warn">{plural(one.behind, 'version')} behind</Tag> },
                    { name: 'first', wide: true, cell: one => <Time at={one.first} /> },
                    { name: 'last', wide: true, cell: one => <Time at={one.last} /> }
                  ]}
                />}
          </Section>
        </>
      )}
    </Loaded>
  )
}

/** The same as a picture in words: from whom, through the table, to whom. */
function Flow ({ of: lineage }: { of: Lineage }) {
  return (
    <div class="flow panel">
      <ul aria-label="Producers">{lineage.producers.map(one => <li key={`${one.kind} ${one.name}`}>{one.name}</li>)}</ul>
      <span class="flow-arrow" aria-hidden="true">→</span>
      <p class="flow-middle"><strong>{lineage.subject}</strong>{lineage.version !== null && <span class="under">version {lineage.version}</span>}</p>
      <span class="flow-arrow" aria-hidden="true">→</span>
      <ul aria-label="Readers">
        {lineage.consumers.map(one => <li key={one.name}>{one.name}<span class="under">{one.applied === null ? 'none applied' : `version ${one.applied.version}`}</span></li>)}
        {lineage.consumers.length === 0 && <li class="soft">no reader yet</li>}
      </ul>
    </div>
  )
}
