// Asking the API: what is shown is asked for again while somebody looks, and what somebody does is sent once.
import { useEffect, useRef, useState } from 'preact/hooks'

/** How often a page that is looked at asks again. */
const AGAIN_MS = 2_000
/** How often at most, while answers are slow or fail: each failure doubles the pause. */
const AGAIN_MS_MAX = 30_000
/** After this a question that was not answered is given up. */
const PATIENCE_MS = 30_000

/** Why a question was not answered. */
export interface Problem {
  status: number
  /** What is wrong, in one sentence. */
  message: string
  /** What mends it, where that is known. */
  fix?: string
}

export class Refused extends Error {
  constructor (readonly problem: Problem) {
    super(problem.message)
  }
}

async function send<T> (path: string, how: RequestInit): Promise<T> {
  let response: Response
  try {
    response = await fetch(path, { ...how, signal: AbortSignal.timeout(PATIENCE_MS) })
  } catch (cause) {
    const late = cause instanceof DOMException && cause.name === 'TimeoutError'
    throw new Refused({
      status: 0,
      message: late ? 'The console has not answered in time.' : 'The console does not answer.',
      fix: 'Start it with `cargo evercount console`; this page goes on by itself once it is there.'
    })
  }
  const text = await response.text()
  let body: unknown
  try {
    body = text === '' ? null : JSON.parse(text)
  } catch {
    body = null
  }
  if (!response.ok) throw new Refused(problem(response.status, body))
  return body as T
}

function problem (status: number, body: unknown): Problem {
  const of = (body ?? {}) as Record<string, unknown>
  const inner = (typeof of.error === 'object' && of.error !== null ? of.error : of) as Record<string, unknown>
  const text = (...names: string[]): string | undefined =>
    names.map(name => inner[name]).find((one): one is string => typeof one === 'string' && one !== '')
  const message = text('detail', 'message', 'error', 'title') ?? `The API answered ${status}.`
  const fix = text('fix', 'help')
  return fix === undefined ? { status, message } : { status, message, fix }
}

export function ask<T> (path: string): Promise<T> {
  return send<T>(path, { headers: { accept: 'application/json' }, cache: 'no-cache' })
}

export async function act<T> (path: string, body: unknown = {}): Promise<T> {
  const answer = await send<T>(path, {
    method: 'POST',
    headers: { accept: 'application/json', 'content-type': 'application/json' },
    body: JSON.stringify(body)
  })
  // What is on the page may have changed by it.
  if ((body as { dry_run?: boolean } | null)?.dry_run !== true) window.dispatchEvent(new Event(CHANGED))
  return answer
}

const CHANGED = 'evercount-changed'
const HEARD = 'evercount-heard'

export interface Live<T> {
  data?: T
  problem?: Problem
  /** When the data was asked for last with success. */
  at?: number
}

/** What a path answers, asked for again and again while the page is looked at. */
export function useLive<T> (path: string | null, every = AGAIN_MS): Live<T> {
  const [live, setLive] = useState<{ path: string | null, of: Live<T> }>({ path, of: {} })
  const failures = useRef(0)
  useEffect(() => {
    if (path === null) return
    let timer: number | undefined
    let stopped = false
    let asking = false
    let again = false
    const round = async (): Promise<void> => {
      window.clearTimeout(timer)
      if (asking) { again = true; return }
      asking = true
      try {
        const data = await ask<T>(path)
        failures.current = 0
        if (!stopped) setLive({ path, of: { data, at: Date.now() } })
        heard(true)
      } catch (cause) {
        failures.current += 1
        const why = cause instanceof Refused ? cause.problem : { status: 0, message: String(cause) }
        // What was read before stays, under the word that it is old.
        if (!stopped) setLive(was => ({ path, of: { ...(was.path === path ? was.of : {}), problem: why } }))
        heard(why.status !== 0)
      }
      asking = false
      if (stopped) return
      if (again) { again = false; void round(); return }
      const pause = Math.min(every * 2 ** failures.current, AGAIN_MS_MAX)
      if (!document.hidden && !paused()) timer = window.setTimeout(() => { void round() }, pause)
    }
    const now = (): void => { if (!document.hidden) void round() }
    void round()
    document.addEventListener('visibilitychange', now)
    window.addEventListener(CHANGED, now)
    return () => {
      stopped = true
      window.clearTimeout(timer)
      document.removeEventListener('visibilitychange', now)
      window.removeEventListener(CHANGED, now)
    }
  }, [path, every])
  return live.path === path ? live.of : {}
}

// Whether the page is live: somebody may hold it still, to read it in peace.
let held = false

function paused (): boolean {
  return held
}

export function hold (still: boolean): void {
  held = still
  if (!still) window.dispatchEvent(new Event(CHANGED))
}

interface Heard { at: number, ok: boolean }
let last: Heard | undefined

function heard (ok: boolean): void {
  last = { at: Date.now(), ok }
  window.dispatchEvent(new Event(HEARD))
}

/** When the API answered last, and whether it does. */
export function useHeard (): Heard | undefined {
  const [now, setNow] = useState(last)
  useEffect(() => {
    const on = (): void => setNow(last)
    window.addEventListener(HEARD, on)
    return () => window.removeEventListener(HEARD, on)
  }, [])
  return now
}
