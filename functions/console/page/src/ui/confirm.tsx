// A thing that changes something: a button, the API's word on what will happen, and what became of it.
import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { Refused, act, type Problem } from '../api'
import type { Decided } from '../types'
import { announce } from './announce'
import { Trouble } from './states'
import { Words } from './text'

export function Action<Answer extends { will?: string | null }> ({ label, title, path, body = {}, also = [], yes, kind = 'plain', told, then }: {
  /** What the button says. */
  label: string
  /** The question. */
  title: string
  /** Where it is said, first only to hear what would happen, then to mean it. */
  path: string
  body?: Record<string, unknown>
  /** What else is worth knowing before, one sentence each. */
  also?: string[]
  /** What the button of the answer says. */
  yes: string
  kind?: 'plain' | 'main' | 'bad'
  /** What is told once it is done. */
  told?: (answer: Answer) => string
  then?: (answer: Answer) => void
}) {
  const [open, setOpen] = useState(false)
  const [busy, setBusy] = useState(false)
  const [will, setWill] = useState<string>()
  const [problem, setProblem] = useState<Problem>()
  const tried = async (what: () => Promise<void>): Promise<void> => {
    setBusy(true)
    setProblem(undefined)
    try {
      await what()
    } catch (cause) {
      setProblem(cause instanceof Refused ? cause.problem : { status: 0, message: String(cause) })
    }
    setBusy(false)
  }
  const look = (): void => {
    setWill(undefined)
    setProblem(undefined)
    setOpen(true)
  }
  // What is shown goes on changing while it is thought over: what would happen is asked for what stands.
  const asked = JSON.stringify(body)
  useEffect(() => {
    if (!open) return
    let gone = false
    act<Answer>(path, { ...body, dry_run: true }).then(
      answer => { if (!gone) { setWill(answer.will ?? 'nothing'); setProblem(undefined) } },
      cause => { if (!gone) setProblem(cause instanceof Refused ? cause.problem : { status: 0, message: String(cause) }) }
    )
    return () => { gone = true }
  }, [open, path, asked])
  const mean = (): void => {
    void tried(async () => {
      const answer = await act<Answer>(path, body)
      setOpen(false)
      announce(told === undefined ? sentence((answer as unknown as Decided).done ?? 'done') : told(answer))
      then?.(answer)
    })
  }
  return (
    <>
      <button type="button" class={`button ${kind}`} onClick={look}>{label}</button>
      <Dialog open={open} title={title} onClose={() => setOpen(false)}>
        <p class="soft">What will happen</p>
        <div class="happens" aria-live="polite">
          {will === undefined ? problem === undefined && <p class="soft">Asking…</p> : <p><Words of={sentence(will)} /></p>}
          {will !== undefined && also.map(one => <p key={one}><Words of={one} /></p>)}
        </div>
        {problem !== undefined && <Trouble problem={problem} />}
        <div class="row end">
          <button type="button" class="button" onClick={() => setOpen(false)}>Cancel</button>
          <button type="button" class={`button ${kind === 'bad' ? 'bad full' : 'main'}`} disabled={busy || will === undefined} onClick={mean}>
            {busy && will !== undefined ? 'Working…' : yes}
          </button>
        </div>
      </Dialog>
    </>
  )
}

/** The API's clauses as sentences. */
function sentence (of: string): string {
  const text = of.charAt(0).toUpperCase() + of.slice(1)
  return /[.!?]$/.test(text) ? text : `${text}.`
}

function Dialog ({ open, title, onClose, children }: {
  open: boolean, title: string, onClose: () => void, children: ComponentChildren
}) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    const element = dialog.current
    if (element === null) return
    if (open && !element.open) element.showModal()
    if (!open && element.open) element.close()
  }, [open])
  return (
    <dialog ref={dialog} onClose={onClose} aria-label={title}>
      {open && <><h2>{title}</h2>{children}</>}
    </dialog>
  )
}
