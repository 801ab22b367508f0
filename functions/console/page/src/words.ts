// What stored names are called, in the words of the commands.
import type { Tone } from './ui/text'
import type { Groups, Plan } from './types'
import { value } from './format'

const CLASSES: Record<string, string> = {
  A0: 'the count is not affected',
  A1: 'the definition follows by name, and the counts stand',
  A2: 'arithmetic on the stored counts, and no row is read',
  A3: 'arithmetic on the stored counts, with what rows from before the change have',
  A4: 'the ledger is judged anew, and the source is not read',
  A5: 'the source has to be read: what is asked for was never stored',
  A6: 'a person has to say what the change means'
}

export function classWords (of: string): string {
  return CLASSES[of] ?? 'a class that this page does not know'
}

const OUTCOMES: Record<string, [string, Tone]> = {
  not_affected: ['not affected', 'faint'],
  awaiting_approval: ['waits for you', 'warn'],
  watching: ['watching', 'plain'],
  backfilling: ['backfilling', 'plain'],
  promoted: ['promoted', 'good'],
  rejected: ['rejected', 'bad'],
  reverted: ['taken back', 'bad']
}

export function outcome (of: string): [string, Tone] {
  return OUTCOMES[of] ?? [of, 'plain']
}

const STATES: Record<string, Tone> = { active: 'good', shadow: 'plain', standby: 'plain', rejected: 'bad', retired: 'faint', draft: 'faint' }

export function stateTone (of: string): Tone {
  return STATES[of] ?? 'plain'
}

const POLICIES: Record<string, string> = {
  auto: 'takes over by itself on a clean verdict',
  approve: 'waits for a person',
  ignore: 'is logged, and the logic stays as it is',
  freeze: 'leaves the counts frozen as of the change'
}

export function policyWords (of: string): string {
  return POLICIES[of] ?? of
}

const RELATIONS: Record<string, string> = {
  mapped: 'every row counts as the image of what it counted for before',
  mapped_while_earlier: 'every row of the earlier shape counts as the image of what it counted for before; rows of the new shape may differ, and the change explains it',
  at_most: 'what counts now counted before: a narrower condition',
  at_least: 'what counted before counts now: a wider condition',
  unrelated: 'nothing is known of how rows compare, so no difference speaks against it'
}

export function relationWords (of: string): string {
  return RELATIONS[of] ?? of
}

const DOUBTS: Record<string, string> = {
  uncertain: 'Some records are in quarantine or could not be ordered.',
  waiting: 'A change of the table’s schema waits to be followed.',
  untold: 'Rows were rewritten by a statement that the stream does not carry, so some are counted by values they had before. `evercount audit NAME --repair` asks the source.',
  started_late: 'Counting started after the table did. `evercount backfill start NAME` counts the rows from before.',
  overflow: 'There are more groups than the definition’s `groups_max`: the total is exact, the rest is counted together.',
  negative: 'A group is negative, so a change was lost or counted twice. `evercount audit NAME` says which.',
  moving: 'Lanes committed while the counts were being read; the next reading may be exact.',
  not_live: 'This logic version is no longer counted.'
}

export function doubtWords (of: string, name: string): string {
  return (DOUBTS[of] ?? of).replaceAll('NAME', name)
}

/** A group in words: its values, or what it means that there are none. */
export function groupWords (key: Groups): string {
  const parts = Object.entries(key)
  if (parts.length === 0) return '(absent)'
  return parts.map(([name, of]) => `${name} = ${value(of)}`).join(', ')
}

/** What a plan is for, in a few words. */
export function planTitle (plan: Plan): string {
  if (plan.change === 'fill') return 'the rows from before the count'
  if (plan.changes.length === 0) return 'another definition'
  const [first, second] = plan.changes
  const told = [first, second].filter(one => one !== undefined).map(one => one.sentence)
  const more = plan.changes.length - told.length
  return more > 0 ? `${told.join('; ')}; and ${more} more` : told.join('; ')
}

export function isOpen (plan: Plan): boolean {
  return ['awaiting_approval', 'watching', 'backfilling'].includes(plan.outcome)
}

const MARKS: Record<string, [string, string]> = {
  added: ['+', 'added'],
  dropped: ['−', 'dropped'],
  renamed: ['→', 'renamed'],
  retyped: ['~', 'retyped'],
  constrained: ['~', 'constrained'],
  same: ['', 'unchanged']
}

/** The sign of a mark and its word. */
export function mark (of: string): [string, string] {
  return MARKS[of] ?? ['•', of]
}

export function describeKind (kind: string): string {
  return kind.replaceAll('_', ' ')
}
