// Where the API has what.
const API = 'api/v1'

const one = (part: string | number): string => encodeURIComponent(String(part))

function query (of: Record<string, string | number | undefined>): string {
  const asked = new URLSearchParams()
  for (const [name, value] of Object.entries(of)) {
    if (value !== undefined && value !== '') asked.set(name, String(value))
  }
  return asked.size > 0 ? `?${asked}` : ''
}

export const paths = {
  target: () => `${API}/target`,
  counts: () => `${API}/counts`,
  count: (name: string, of: { version?: string, as_of?: string, limit?: number, search?: string } = {}) => `${API}/counts/${one(name)}${query(of)}`,
  series: (name: string) => `${API}/counts/${one(name)}/series`,
  versions: (name: string) => `${API}/counts/${one(name)}/versions`,
  rollback: (name: string) => `${API}/counts/${one(name)}/rollback`,
  plans: () => `${API}/plans`,
  plan: (id: string) => `${API}/plans/${one(id)}`,
  schemas: () => `${API}/schemas`,
  schema: (subject: string, what = '', of: Record<string, string | number | undefined> = {}) =>
    `${API}/schemas/${one(subject)}${what === '' ? '' : `/${what}`}${query(of)}`,
  quarantine: () => `${API}/quarantine`,
  record: (id: string) => `${API}/quarantine/${one(id)}`,
  replay: (id?: string) => `${API}/quarantine${id === undefined ? '' : `/${one(id)}`}/replay`,
  walks: () => `${API}/backfills`,
  pause: (paused: boolean) => `${API}/backfills/${paused ? 'pause' : 'resume'}`,
  audits: () => `${API}/audits`,
  forecasts: () => `${API}/forecasts`,
  forecast: (table: string) => `${API}/forecasts/${one(table)}`,
  advice: () => `${API}/advice`,
  health: () => `${API}/health`
}
