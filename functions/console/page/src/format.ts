// Numbers, times and lengths as people read them.

const WHOLE = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const FINE = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 })

export function count (n: number): string {
  return WHOLE.format(n)
}

/** A measured figure: three digits that mean something. */
export function figure (n: number): string {
  return Math.abs(n) >= 1000 ? WHOLE.format(n) : FINE.format(n)
}

export function percent (share: number): string {
  const hundredths = share * 100
  // The sign stays with its number where a line ends.
  if (hundredths > 0 && hundredths < 1) return '<\u00a01\u00a0%'
  if (hundredths > 99 && hundredths < 100) return '>\u00a099\u00a0%'
  return `${WHOLE.format(hundredths)}\u00a0%`
}

export function plural (n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`
}

/** A length of time, to the unit that matters. */
export function length (seconds: number): string {
  const of = Math.abs(seconds)
  if (of < 1) return of === 0 ? '0 s' : 'less than 1 s'
  if (of < 120) return `${Math.round(of)} s`
  if (of < 7_200) return `${Math.round(of / 60)} min`
  if (of < 172_800) return `${Math.round(of / 3_600)} h`
  return `${Math.round(of / 86_400)} days`
}

/** How long ago a time was, or how long it is until then. */
export function relative (iso: string, now: number): string {
  const seconds = (now - Date.parse(iso)) / 1000
  if (Number.isNaN(seconds)) return ''
  if (Math.abs(seconds) < 1.5) return 'now'
  return seconds >= 0 ? `${length(seconds)} ago` : `in ${length(seconds)}`
}

/** ISO 8601 to the second, in UTC, with a space for the `T`: `2026-11-29 00:20:45Z`. */
export function iso (text: string): string {
  const at = new Date(text)
  if (Number.isNaN(at.getTime())) return text
  return `${at.toISOString().slice(0, 19).replace('T', ' ')}Z`
}

export function bytes (n: number): string {
  return n < 1024 ? `${n} B` : n < 1024 * 1024 ? `${FINE.format(n / 1024)} KiB` : `${FINE.format(n / 1048576)} MiB`
}

/** A value of a group or an item as text: strings without their quotes, unless those tell something. */
export function value (of: unknown): string {
  if (typeof of === 'string') {
    const isPlain = of !== '' && of.trim() === of && !/^(-?[\d.]+|true|false|null)$/.test(of) && !CONTROL.test(of)
    return isPlain ? of : visible(JSON.stringify(of))
  }
  return visible(JSON.stringify(of) ?? '')
}

// What would move a cursor or turn the direction of the text around it is shown as its code point.
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/
const CONTROLS = new RegExp(CONTROL.source, 'g')

export function visible (text: string): string {
  return text.replace(CONTROLS, one => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
