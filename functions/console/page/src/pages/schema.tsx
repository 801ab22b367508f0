// One subject: its versions in time, and what is asked about them.
import { useLive } from '../api'
import { Drifts } from '../charts/points'
import { count, percent, plural } from '../format'
import { paths } from '../paths'
import { to } from '../router'
import type { Change, History, Schema } from '../types'
import { Page, Tabs } from '../ui/page'
import { Loaded } from '../ui/states'
import { Table } from '../ui/table'
import { Facts, Section, Tag, Time, Words } from '../ui/text'
import { CardinalityTab } from './cardinality'
import { DiffTab } from './diff'
import { LineageTab } from './lineage'

export function SchemaPage ({ subject, tab, rest }: { subject: string, tab: string, rest: string[] }) {
  const at = (more: string[]): string => to(['schemas', subject, ...more])
  return (
    <Page title={subject} crumbs={[{ name: 'Schemas', parts: ['schemas'] }]}>
      <Tabs
        label={`Schema of ${subject}`} at={tab}
        of={[
          { id: 'versions', name: 'Versions', href: at([]) },
          { id: 'fields', name: 'Fields', href: at(['fields']) },
          { id: 'diff', name: 'Difference', href: at(['diff']) },
          { id: 'lineage', name: 'Lineage', href: at(['lineage']) },
          { id: 'cardinality', name: 'Cardinality', href: at(['cardinality']) }
        ]}
      />
      {tab === 'versions' && <VersionsTab subject={subject} />}
      {tab === 'fields' && <FieldsTab subject={subject} />}
      {tab === 'diff' && <DiffTab subject={subject} from={rest[0]} to={rest[1]} />}
      {tab === 'lineage' && <LineageTab subject={subject} />}
      {tab === 'cardinality' && <CardinalityTab subject={subject} field={rest[0]} />}
    </Page>
  )
}

function VersionsTab ({ subject }: { subject: string }) {
  const live = useLive<History>(paths.schema(subject, 'history'))
  const schema = useLive<Schema>(paths.schema(subject), 5_000)
  return (
    <Loaded live={live}>
      {({ history, held }) => {
        const steps = [...history].sort((one, other) => one.at.localeCompare(other.at))
        const versions = steps.filter(one => one.from !== one.to)
        const waiting = held.filter(one => one.is_pending)
        return (
          <>
            {waiting.length > 0 && (
              <Section title="Changes that wait" note={<Words of={`\`evercount schema accept ${subject} --all\` lets them through.`} />}>
                <ul class="changes">
                  {waiting.map(one => <li key={one.id}><ChangeLine of={one.change} /><p class="soft"><Words of={one.why} /></p></li>)}
                </ul>
              </Section>
            )}
            <Section title="Time line" aside={<span class="soft">height: drift, from 0 to 1</span>}>
              {versions.length > 0 && <div class="panel">
                <Drifts
                  of={versions.map(one => ({ at: Date.parse(one.at) / 1000, drift: one.drift, version: one.version }))}
                  label={`${plural(versions.length, 'version')} of ${subject}: ${versions.map(one => `version ${one.version} with a drift of ${one.drift.toFixed(3)}`).join(', ')}`}
                />
              </div>}
              <ol class="timeline">
                {[...steps].reverse().map(one => (
                  <li key={one.id}>
                    <div class="timeline-head">
                      <strong>Version {one.version}</strong>
                      {one.from !== null && one.from !== one.to && <span class="drift">drift <span class="n">{one.drift.toFixed(3)}</span></span>}
                      {one.to === schema.data?.id && <Tag tone="good">current</Tag>}
                      {one.from !== null && one.from !== one.to && one.version > 1 &&
                        <a href={to(['schemas', subject, 'diff', one.version - 1, one.version])}>see the difference</a>}
                      <span class="push"><Time at={one.at} /></span>
                    </div>
                    {one.changes.length === 0
                      ? <p class="soft">Read off the first rows.</p>
                      : <ul class="changes">{one.changes.map((change, place) => <li key={place}><ChangeLine of={change} /></li>)}</ul>}
                  </li>
                ))}
              </ol>
            </Section>
          </>
        )
      }}
    </Loaded>
  )
}

const KINDS: Record<string, [string, string]> = {
  add_column: ['+', 'added'],
  drop_column: ['−', 'dropped'],
  rename_column: ['→', 'renamed'],
  change_type: ['~', 'retyped']
}

export function ChangeLine ({ of: change }: { of: Change }) {
  const [sign, look] = KINDS[change.change] ?? ['•', 'constrained']
  return (
    <div class={`change ${look}`}>
      <span class="sign" aria-hidden="true">{sign}</span>
      <div>
        <p><Words of={change.sentence} /></p>
        <p class="soft evidence"><Words of={change.evidence} /></p>
      </div>
    </div>
  )
}

function FieldsTab ({ subject }: { subject: string }) {
  const live = useLive<Schema>(paths.schema(subject))
  return (
    <Loaded live={live}>
      {schema => (
        <>
          <div class="panel">
            <Facts wide of={[
              { name: 'version', value: <><span class="n">{schema.version}</span>{schema.is_current && <span class="soft"> current</span>}</> },
              { name: 'id', value: <code>{schema.id}</code> },
              { name: 'since', value: <Time at={schema.at} /> },
              { name: 'key', value: schema.key.length > 0 ? schema.key.map(path => <code key={path}>{path} </code>) : 'not known' },
              schema.seen !== null && { name: 'records seen', value: <><span class="n">{count(schema.seen.records)}</span> by {plural(schema.seen.lanes, 'lane')}</> },
              schema.seen !== null && { name: 'last record', value: <Time at={schema.seen.last} /> }
            ]} />
          </div>
          {schema.breaks.length > 0 && <ul class="notes">{schema.breaks.map(one => <li key={one} class="warn"><Words of={one} /></li>)}</ul>}
          <Section title="Fields" aside={<span class="soft">{plural(schema.fields.length, 'field')}</span>}>
            <Table
              caption={`Fields of ${subject}`} rows={schema.fields} id={field => field.path}
              columns={[
                { name: 'field', head: true, cell: field => <code class="path">{field.path}</code> },
                { name: 'type', cell: field => <>{field.type}{field.format !== null && <span class="soft"> as {field.format}</span>}</> },
                schema.fields.some(field => field.declared !== null) && { name: 'declared', wide: true, cell: field => field.declared },
                { name: 'key', cell: field => field.key !== null && <Tag>key</Tag> },
                { name: 'null', wide: true, cell: field => field.nullable ? 'yes' : '' },
                schema.fields.some(field => field.default !== null) && { name: 'default', wide: true, cell: field => field.default },
                { name: 'present', number: true, cell: field => field.presence === undefined || field.presence === null ? '' : percent(field.presence) },
                { name: '', wide: true, class: 'bars', cell: field => field.presence !== undefined && field.presence !== null &&
                  <meter class="bar" aria-hidden="true" min={0} max={1} value={field.presence} /> }
              ]}
            />
          </Section>
        </>
      )}
    </Loaded>
  )
}
