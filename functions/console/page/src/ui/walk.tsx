// A version that is being filled: how far that is, how long it has to go, and a way to halt it.
import { length } from '../format'
import { paths } from '../paths'
import type { Walk } from '../types'
import { Action } from './confirm'
import { Progress } from './states'

export function Filling ({ of: walk }: { of: Walk }) {
  const rows = walk.reads === 'source' ? 'items of the source read' : 'ledger rows read'
  const isPaused = walk.state === 'paused'
  const left = walk.state === 'running' && walk.seconds_left !== null ? length(walk.seconds_left) : null
  return (
    <div class="row">
      <Progress name={isPaused ? `${rows}, halted` : rows} done={walk.visited} of={walk.of} left={left} />
      {walk.state !== 'done' && (
        <Action<{ will: string | null }>
          label={isPaused ? 'Go on' : 'Halt'} title={isPaused ? 'Let it go on?' : 'Halt it?'} yes={isPaused ? 'Go on' : 'Halt'}
          path={paths.pause(!isPaused)} body={{ count: walk.count }}
          told={() => `The filling of ${walk.count} ${isPaused ? 'goes on' : 'is halted'}.`}
        />
      )}
    </div>
  )
}
