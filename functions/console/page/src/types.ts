// What the API answers, as far as the page shows it. The shapes are those of the commands with `--json`.

export type Groups = Record<string, unknown>

export interface Group extends Estimate { key: Groups, n: number }

export interface Estimate { distinct?: number, distinct_error?: number }

export interface OpenPlan { id: string, outcome: string, sentence: string }

/** A count in short. */
export interface CountHead {
  name: string
  table: string
  version: number
  group_by: string[]
  where: string | null
  total: number
  exact: boolean
  uncertain: number
  /** What it will come to at least and at most, while it is being filled; null where nothing limits it. */
  n_min: number | null
  n_max: number | null
  doubts: string[]
  groups: number
  distinct: number | null
  watched: number[]
  open_plans: OpenPlan[]
}

/** A reading with some of its groups. */
export interface Reading extends Estimate {
  name: string
  table: string
  version: number
  group_by: string[]
  where: string | null
  state: string
  total: number
  exact: boolean
  uncertain: number
  doubts: string[]
  overflow: number
  missing: Array<{ atom: string, n: number }>
  by_delta: number
  groups: Group[]
  groups_total: number
  next: number | null
  cut: Record<string, { sequence: string, at: string | null, records: number }>
  distinct_of?: string
  as_of: { asked: string, cut_at: string, age_seconds: number, active_version: number | null } | null
}

export interface Series { count: string, points: Array<{ at: string, version: number, total: number, exact: boolean, uncertain: number }> }

export interface Version {
  number: number
  state: string
  state_since: string
  parent: number | null
  plan: string | null
  /** Line by line, as `where: amount >= 100`. */
  definition: string[]
  total: number | null
  created_at: string
}

/** `rollback` says what a rollback would do; null where none is possible. */
export interface Versions { count: string, rollback: string | null, versions: Version[] }

export interface Change {
  change: string
  sentence: string
  evidence: string
  column?: string
  to?: string
  type?: string
  previous_type?: string
}

export interface Compared { agreed: number, explained: number, unexplained: number, failed: number }

export interface Cost {
  cpu_seconds: number
  read_units: number
  write_units: number
  source_items: number
  ledger_rows: number
  seconds: number
}

export interface Certificate {
  kind: 'untouched' | 'exact' | 'witness' | 'undecided'
  words?: string[]
  keep?: string | null
  group_by?: string[]
  one?: Groups[]
  other?: Groups[]
}

export interface Plan extends Compared {
  id: string
  count: string
  table: string
  sentence: string
  change: string
  changes: Change[]
  at: string
  class: string
  from_version: number
  to_version: number | null
  policy: string
  outcome: string
  verdict: string | null
  becomes: string[] | null
  certificate: Certificate
  relation: string
  affected: 'none' | 'all' | { attribute: string, values: unknown[] }
  estimate: Cost
  actual: Cost
  census: Compared & {
    complete: boolean
    rows: number
    rejudged: number
    not_remembered: number
    examples: Array<{ key_hash: string, outcome: string, group: Groups | null, image: Groups | null }>
  }
  compared_changes: Compared
  by_group: Array<Compared & { key: Groups }>
  minimum: { census: boolean, changes: number }
  progress: { visited: number, done: boolean, paused: boolean, started_at: string | null }
  assumptions: string[]
  choices: Array<{ choice: number, answer: string, consequence: string, becomes: string[] | null }>
  created_at: string
  updated_at: string
}

export interface Counted { key: Groups | null, n: number }

export interface WitnessTable { rows: Groups[], stored: Counted[], new: Counted[] }

export interface PlanAction { action: string, path: string, choice: number | null, will: string }

/** A plan with what its page tells beside it. */
export interface Story {
  plan: Plan
  revision: number
  class_words: string
  outcome_words: string
  was: string[] | null
  groups: Array<{ was: Groups, becomes: Groups | null, n: number }> | null
  groups_total: number
  witness: [WitnessTable, WitnessTable] | null
  agreement: Array<Compared & { at: string }>
  trail: Array<{ at: string, what: string, version: number | null, summary: string }>
  actions: PlanAction[]
}

/** What a word on something does, or did. */
export interface Decided { will: string, done: string | null }

export interface Subject {
  subject: string
  origin: string
  version: number | null
  id: string | null
  fields: number | null
  changed_at: string | null
  changes: string[] | null
  drift: number | null
  pending: number
  dropped: boolean
  first_seen: string
}

export interface Quarantined {
  id: string
  lane: string
  sequence: string
  arrived_at: string
  reason: string
  detail: string
  table: string | null
  bytes: number
  affects: string[]
  raw_base64?: string
}

export interface Field {
  path: string
  name: string
  type: string
  declared: string | null
  nullable: boolean
  required: boolean
  default: string | null
  key: number | null
  format: string | null
  seen?: number
  presence?: number | null
}

export interface Schema {
  subject: string
  origin: string
  version: number
  id: string
  is_current: boolean
  dropped: boolean
  parent: number | null
  at: string
  drift: number
  breaks: string[]
  changes: Change[]
  key: string[]
  fields: Field[]
  pending: Change[]
  seen: { records: number, lanes: number, first: string, last: string } | null
}

export interface HistoryEvent {
  id: string
  at: string
  recorded_at: string
  version: number
  from: string | null
  to: string
  drift: number
  changes: Change[]
}

export interface History {
  subject: string
  first_seen: string
  history: HistoryEvent[]
  held: Array<{ id: string, at: string, change: Change, held: string, why: string, is_pending: boolean }>
}

export interface Note { kind: string, previous: unknown, now: unknown, effect?: string, sentence: string }



export interface DiffNode {
  mark: string
  path: string | null
  previous_path: string | null
  before: Field | null
  after: Field | null
  notes: Note[]
  children: DiffNode[]
}

export interface Diff {
  subject: string
  from: { version: number, id: string, at: string }
  to: { version: number, id: string, at: string }
  drift: number
  class: string
  parts: Record<string, number>
  summary: Record<string, number>
  key: { previous: string[], now: string[] } | null
  tree: DiffNode[]
}

export interface Lineage {
  subject: string
  version: number | null
  producers: Array<{ kind: string, name: string, records: number, first: string, last: string }>
  consumers: Array<{ name: string, applied: { version: number, id: string } | null, behind: number | null, first: string, last: string }>
}

export interface Cardinality {
  subject: string
  since: string
  fields: Array<{
    path: string
    distinct: number | null
    distinct_error: number | null
    windows: Array<{ start: string, end: string, lanes: number, distinct: number, distinct_error: number }>
    unread: number
  }>
}

export type Standing = 'open' | 'confirmed' | 'refuted' | 'expired'

/** `said` is what was said when the window began, with the ends of that. */
export interface Chance { kind: string, days: number, p: number, from: number, to: number, said: [number, number, number] | null, came: boolean | null }

export interface Bin { n: number, said: number, came: number }

export interface Measured {
  kind: string
  days: number
  forecasts: number
  base_rate: number
  brier: number
  brier_of_base_rate: number
  auc: number
  calibration_error: number
  reliability: Bin[]
}

export interface Candidate {
  column: string
  type: string | null
  kind: string
  p: number
  at: string | null
  precision: string
  evidence: string | null
  state: Standing
  discrepancy: string
}

export interface TableForecast {
  table: string
  candidates: Candidate[]
  cannot_judge?: string
  chances?: Chance[]
  expected?: { from: string | null, middle: string | null, to: string | null }
  because?: string
  at?: string
  planned: Array<{ feature: string, at: string }>
  kept?: { made_at: string, ends_at: string, state: Standing, error: number | null, discrepancy: string, came_at: string | null, summary: string }
}

export interface ShadowColumn {
  column: string
  type: string
  default?: unknown
  rules: string[]
  expected_at: string | null
  p: number
  because: string
  prefetch: string | null
  state: string
  since: string | null
}

export interface ShadowSchema { table: string, at: string, revision: number, columns: ShadowColumn[] }

/** Predictions of a kind whose time ended in one month. */
export interface Month { month: string, kind: string, days: number, n: number, came: number, said: number, brier: number | null, bins: Bin[] }

export interface Learnt { confirmed: number, refuted: number, shift: number, evidence: Record<string, { came: number, of: number }> }

export interface Forecasts {
  at: string
  tables: TableForecast[]
  shadow: ShadowSchema[]
  reliability: Month[]
  learnt: Learnt
  measured: Measured[]
  left_out: string[]
}

export interface TableStory { at: string, now: TableForecast, past: TableForecast[], happened: HistoryEvent[], shadow: ShadowSchema | null }

export interface Advice {
  count: string
  table: string
  extra: { dimension?: string, truth_of?: string[] }
  p: number
  extra_counters: number
  write_units_per_month: number
  read_units_saved: number
  worth_it: boolean
  because: string
  command: string
}

export interface Advices { advice: Advice[], notes: string[] }

export interface Walk {
  count: string
  plan: string
  version: number | null
  reads: string
  visited: number
  of: number | null
  per_second: number | null
  seconds_left: number | null
  state: string
  read_units: number
  started_at: string
}

export interface Replays { will: string, done: boolean, released: string[], kept: Array<{ id: string, why: string }>, left: number }

export interface Quarantine { total: number, quarantined: Quarantined[], next: number | null }

export interface Audit {
  id: string
  count: string
  version: number
  state: 'running' | 'done' | 'failed'
  repair: boolean
  one_in: number
  started_at: string
  ended_at: string | null
  rows: number
  of: number | null
  seconds_left: number | null
  found: {
    agreeing: number
    in_flux: number
    differing: Record<string, number>
    repaired: number
    cells_judged: boolean
    cells_off: number
    clean: boolean
    summary: string
  } | null
  failure: string | null
}

export interface Lane { lane: string, records: number, sequence: string | null, at: string | null, seconds_since: number | null, fence: number }

export interface Health {
  at: string
  mode: string
  catalog_revision: number
  lanes: Lane[]
  quarantined: number
  unpublished: number
  open_plans: number
  waiting_plans: number
  adjustments: { write_units: number, read_units: number }
  caches: { hits: number, misses: number }
  last_audit: Audit | null
  never_audited: string[]
}
