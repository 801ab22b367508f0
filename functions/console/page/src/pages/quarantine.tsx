// Records that could not be counted: why, their bytes, and counting them after all.
import { useLive } from '../api'
import { bytes, plural } from '../format'
import { paths } from '../paths'
import { go, to } from '../router'
import type { Quarantine, Quarantined, Replays } from '../types'
import { Action } from '../ui/confirm'
import { Page } from '../ui/page'
import { Raw } from '../ui/raw'
import { Loaded } from '../ui/states'
import { Table } from '../ui/table'
import { Empty, Facts, Section, Tag, Time, Words } from '../ui/text'

function told ({ released, kept, left }: Replays): string {
  const [first] = kept
  const done = released.length === 0 ? 'Nothing was released' : `${plural(released.length, 'record')} counted and released`
  const stays = first === undefined ? '' : `; ${plural(kept.length, 'record')} still in quarantine: ${first.why}`
  return `${done}${stays}${left > 0 ? `; ${plural(left, 'record')} not tried yet` : ''}.`
}

export function QuarantinePage () {
  const live = useLive<Quarantine>(paths.quarantine())
  const total = live.data?.total ?? 0
  return (
    <Page
      title="Quarantine" lead={total > 0 && `${plural(total, 'record')} put aside; the counts they may touch say so`}
      aside={total > 1 && <Action<Replays> label="Replay all" title="Replay all records?" yes="Replay all" path={paths.replay()} told={told} />}
    >
      <Loaded live={live}>
        {({ quarantined, next }) => quarantined.length === 0
          ? <Empty title="Nothing is in quarantine">A record that cannot be understood is put aside here with its bytes and its reason. It never blocks its shard, and is never dropped.</Empty>
          : <>
              <Table
                caption="Records in quarantine" rows={quarantined} id={one => one.id}
                columns={[
                  { name: 'record', head: true, cell: one => <a href={to(['quarantine', one.id])}><code class="path">…{one.sequence.slice(-10)}</code></a> },
                  { name: 'reason', cell: one => <Tag tone="warn">{one.reason}</Tag> },
                  { name: 'what is wrong', cell: one => <span class="clip">{one.detail}</span> },
                  { name: 'table', wide: true, cell: one => one.table },
                  { name: 'arrived', wide: true, cell: one => <Time at={one.arrived_at} /> },
                  { name: 'size', number: true, wide: true, cell: one => bytes(one.bytes) }
                ]}
              />
              {next !== null && <p class="soft more"><Words of={`${plural(total - quarantined.length, 'more record')}; \`evercount quarantine list\` has all.`} /></p>}
            </>}
      </Loaded>
    </Page>
  )
}

/** What stands for all counts, where nobody can tell which table a record is of. */
const UNATTRIBUTED = '_unattributed#v0000'

function touched (affects: string[]) {
  if (affects.length === 0) return 'nothing'
  if (affects.includes(UNATTRIBUTED)) return 'every count: nobody can tell which table it is of'
  return affects.map(one => <code key={one} class="line">{one}</code>)
}

export function RecordPage ({ id }: { id: string }) {
  const live = useLive<Quarantined>(paths.record(id), 10_000)
  return (
    <Page title="A record in quarantine" crumbs={[{ name: 'Quarantine', parts: ['quarantine'] }]}>
      {live.problem?.status === 404
        ? <Empty title="This record is not in quarantine">It may have been released meanwhile. <a href={to(['quarantine'])}>See what is in quarantine.</a></Empty>
        : <Loaded live={live}>
            {record => (
              <>
                <div class="panel verdict warn">
                  <p class="row"><Tag tone="warn">{record.reason}</Tag> <span class="push soft">arrived <Time at={record.arrived_at} /></span></p>
                  <p class="sentence">{record.detail}</p>
                  <div class="row actions">
                    <Action<Replays>
                      label="Replay" kind="main" title="Replay this record?" yes="Replay" path={paths.replay(id)} told={told}
                      also={['What is understood now is counted, and the counts it touches are certain again. What is not stays here, and nothing changes.']}
                      then={answer => { if (answer.released.length > 0) go(to(['quarantine'])) }}
                    />
                  </div>
                </div>
                <Section title="What it touches" id="touches">
                  <Facts wide of={[
                    { name: 'makes uncertain', value: touched(record.affects) },
                    { name: 'table', value: record.table ?? 'not known' },
                    { name: 'lane', value: <code>{record.lane}</code> },
                    { name: 'sequence', value: <code>{record.sequence}</code> }
                  ]} />
                </Section>
                <Section title="Its bytes" id="bytes" aside={<span class="soft">{bytes(record.bytes)}</span>}>
                  <Raw base64={record.raw_base64 ?? ''} />
                </Section>
              </>
            )}
          </Loaded>}
    </Page>
  )
}
