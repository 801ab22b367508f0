// Where the page is: the part of the address after `#`, so that every page and item has an address of its
// own, `Back` works, and the server needs to know of none of it.
import { useEffect, useState } from 'preact/hooks'

export interface Place {
  /** The parts between slashes, decoded: `['counts', 'orders_by_status']`. */
  parts: string[]
  /** What stands after `?`. */
  query: URLSearchParams
}

export function parse (hash: string): Place {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2)
  const parts = path.split('/').filter(part => part !== '').map(decode)
  return { parts, query: new URLSearchParams(query) }
}

// An address that somebody mistyped is a place that is not there, and no failure.
function decode (part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/** The address of a page or an item. */
export function to (parts: Array<string | number>, query: Record<string, string | number | undefined> = {}): string {
  const path = parts.map(part => encodeURIComponent(String(part))).join('/')
  const asked = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') asked.set(name, String(value))
  }
  const text = asked.toString()
  return `#/${path}${text === '' ? '' : `?${text}`}`
}

export function go (address: string): void {
  window.location.hash = address
}

export function usePlace (): Place {
  const [hash, setHash] = useState(window.location.hash)
  useEffect(() => {
    const moved = (): void => setHash(window.location.hash)
    window.addEventListener('hashchange', moved)
    return () => window.removeEventListener('hashchange', moved)
  }, [])
  return parse(hash)
}
