// What is told to somebody who does not look: one polite live region for the whole page, seen for a while as well.
import { useEffect, useState } from 'preact/hooks'

const SHOWN_MS = 6_000
const TOLD = 'evercount-told'

export function announce (text: string): void {
  window.dispatchEvent(new CustomEvent(TOLD, { detail: text }))
}

export function Announcer () {
  const [text, setText] = useState('')
  useEffect(() => {
    let timer: number | undefined
    const told = (event: Event): void => {
      setText(String((event as CustomEvent).detail))
      window.clearTimeout(timer)
      timer = window.setTimeout(() => setText(''), SHOWN_MS)
    }
    window.addEventListener(TOLD, told)
    return () => {
      window.clearTimeout(timer)
      window.removeEventListener(TOLD, told)
    }
  }, [])
  return <div class={text === '' ? 'toast' : 'toast on'} role="status" aria-live="polite">{text}</div>
}
