// Two versions of a schema side by side: a tree of fields, each with what happened to it.
import { useState } from 'preact/hooks'
import { useLive } from '../api'
import { paths } from '../paths'
import { go, to } from '../router'
import type { Diff, DiffNode, Field, History } from '../types'
import { Loaded } from '../ui/states'
import { Empty, Tag, Time, Words } from '../ui/text'
import { mark } from '../words'

interface Row { node: DiffNode, depth: number }

function rows (nodes: DiffNode[], depth = 0): Row[] {
  return nodes.flatMap(node => [{ node, depth }, ...rows(node.children, depth + 1)])
}

/** Whether anything happened to a field or within it. */
function moved (node: DiffNode): boolean {
  return node.mark !== 'same' || node.children.some(moved)
}

function changed (nodes: DiffNode[]): DiffNode[] {
  return nodes.filter(moved).map(node => ({ ...node, children: changed(node.children) }))
}

export function DiffTab ({ subject, from, to: until }: { subject: string, from?: string, to?: string }) {
  const [all, setAll] = useState(true)
  const history = useLive<History>(paths.schema(subject, 'history'), 5_000)
  const numbers = [...new Set((history.data?.history ?? []).map(one => one.version))].sort((one, other) => one - other)
  const first = numbers.length < 2 && history.data !== undefined
  const live = useLive<Diff>(first ? null : paths.schema(subject, 'diff', { from, to: until }), 5_000)
  if (first) {
    return (
      <Empty title="One version so far" run={`evercount schema show ${subject}`}>
        There is nothing to compare it with. A change of the records’ shape makes the next version, and both are shown here side by side.
      </Empty>
    )
  }
  return (
    <Loaded live={live}>
      {diff => (
        <>
          <form class="switches" aria-label="Versions to compare" onSubmit={event => event.preventDefault()}>
            <Version label="From version" at={diff.from.version} numbers={numbers} pick={n => go(to(['schemas', subject, 'diff', n, diff.to.version]))} />
            <Version label="To version" at={diff.to.version} numbers={numbers} pick={n => go(to(['schemas', subject, 'diff', diff.from.version, n]))} />
            <label class="check"><input type="checkbox" checked={all} onChange={event => setAll(event.currentTarget.checked)} /> Unchanged fields too</label>
          </form>
          <p class="diff-summary">
            {Object.entries(diff.summary).filter(([, n]) => n > 0).map(([what, n]) => <Tag key={what}><span class={`ink-${what}`}>{mark(what)[0]} {n} {what}</span></Tag>)}
            <span>{kind(diff.class)}, drift <span class="n">{diff.drift.toFixed(3)}</span></span>
            <span class="soft">{Object.entries(diff.parts).map(([part, n]) => `${part} ${n.toFixed(3)}`).join(', ')}</span>
          </p>
          {diff.key !== null && <p class="notes"><span class="warn">The key was <code>{diff.key.previous.join(', ')}</code> and is <code>{diff.key.now.join(', ')}</code>.</span></p>}
          <Tree diff={diff} nodes={all ? diff.tree : changed(diff.tree)} />
        </>
      )}
    </Loaded>
  )
}

function kind (of: string): string {
  const told: Record<string, string> = { addition: 'an addition', revision: 'a revision', model: 'a model change' }
  return told[of] ?? of
}

function Version ({ label, at, numbers, pick }: { label: string, at: number, numbers: number[], pick: (n: string) => void }) {
  return (
    <label>
      {label}
      <select value={at} onChange={event => pick(event.currentTarget.value)}>
        {numbers.map(n => <option key={n} value={n}>{n}</option>)}
      </select>
    </label>
  )
}

function Tree ({ diff, nodes }: { diff: Diff, nodes: DiffNode[] }) {
  const all = rows(nodes)
  if (all.length === 0) return <p class="soft">The two versions have the same fields.</p>
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={`Difference of ${diff.subject}`}>
      <table class="diff">
        <caption class="heard">Fields of {diff.subject} in version {diff.from.version} and in version {diff.to.version}</caption>
        <thead>
          <tr>
            <th scope="col"><span class="heard">what happened</span></th>
            <th scope="col">version {diff.from.version} <Time at={diff.from.at} brief /></th>
            <th scope="col">version {diff.to.version} <Time at={diff.to.at} brief /></th>
            <th scope="col" class="wide">what it does</th>
          </tr>
        </thead>
        <tbody>
          {all.map(({ node, depth }) => {
            const [sign, word] = mark(node.mark)
            return (
              <tr key={`${node.previous_path} ${node.path}`} class={node.mark}>
                <td class="sign"><span aria-hidden="true">{sign}</span><span class="heard">{word}</span></td>
                <td class="before"><Side of={node.before} depth={depth} /></td>
                <td class="after"><Side of={node.after} depth={depth} /></td>
                <td class="wide soft">{told(node).map(one => <p key={one}><Words of={one} /></p>)}</td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}

function told (node: DiffNode): string[] {
  return node.mark === 'same' ? [] : [node.notes.length === 0 ? mark(node.mark)[1] : '', ...node.notes.map(note => note.sentence)].filter(one => one !== '')
}

function Side ({ of: field, depth }: { of: Field | null, depth: number }) {
  if (field === null) return <span class="soft"><span aria-hidden="true">·</span><span class="heard">not there</span></span>
  return (
    <span class={`there depth-${Math.min(depth, 6)}`}>
      <code>{field.name}</code> <span class="soft">{field.type}{field.key !== null && ', key'}</span>
    </span>
  )
}
