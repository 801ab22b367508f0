// Bytes that came from anywhere, shown so that nothing in them can do anything: as text nodes, with what would
// move a cursor or turn the text around spelled out.
import { useState } from 'preact/hooks'
import { visible } from '../format'

/** Bytes that are shown at once. */
const SHOWN_MAX = 64 * 1024
const WIDTH = 16

export function Raw ({ base64 }: { base64: string }) {
  const [how, setHow] = useState<'text' | 'hex'>('text')
  const bytes = Uint8Array.from(atob(base64), one => one.charCodeAt(0))
  const shown = bytes.subarray(0, SHOWN_MAX)
  return (
    <div>
      <div class="row" role="group" aria-label="How the bytes are shown">
        {(['text', 'hex'] as const).map(one =>
          <button key={one} type="button" class="button small" aria-pressed={how === one} onClick={() => setHow(one)}>{one}</button>)}
      </div>
      <pre class="raw" tabIndex={0} role="region" aria-label="The record’s bytes"><code>{how === 'text' ? text(shown) : hex(shown)}</code></pre>
      {shown.length < bytes.length && <p class="soft">The first {SHOWN_MAX / 1024} KiB; <code>evercount quarantine show</code> has all.</p>}
    </div>
  )
}

function text (bytes: Uint8Array): string {
  return new TextDecoder('utf-8').decode(bytes).split('\n').map(visible).join('\n')
}

function hex (bytes: Uint8Array): string {
  const lines: string[] = []
  for (let at = 0; at < bytes.length; at += WIDTH) {
    const part = [...bytes.subarray(at, at + WIDTH)]
    const digits = part.map(one => one.toString(16).padStart(2, '0')).join(' ').padEnd(WIDTH * 3 - 1)
    const letters = part.map(one => one >= 0x20 && one < 0x7f ? String.fromCharCode(one) : '·').join('')
    lines.push(`${at.toString(16).padStart(6, '0')}  ${digits}  ${letters}`)
  }
  return lines.join('\n')
}
