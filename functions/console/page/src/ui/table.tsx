// Tables: with a caption, with headings that say which way numbers stand, and no wider than their place.
import type { ComponentChildren } from 'preact'

export interface Column<Row> {
  /** Its heading; nothing for what only draws the column before. */
  name: string
  cell: (row: Row) => ComponentChildren
  /** Numbers stand at the right. */
  number?: boolean
  /** What a narrow screen has no room for. */
  wide?: boolean
  /** The column that names the row. */
  head?: boolean
  class?: string
}

export function Table<Row> ({ caption, columns, rows, id, of, shown = false, tone }: {
  caption: string
  columns: Array<Column<Row> | false>
  rows: Row[]
  id: (row: Row, place: number) => string | number
  of?: string
  /** Whether the caption is seen, and not only heard. */
  shown?: boolean
  tone?: (row: Row) => string | undefined
}) {
  const kept = columns.filter((column): column is Column<Row> => column !== false)
  const look = ({ number, wide, class: own }: Column<Row>): string =>
    [number ? 'num' : '', wide ? 'wide' : '', own ?? ''].filter(Boolean).join(' ')
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={`${caption}, as a table`}>
      <table class={of}>
        <caption class={shown ? undefined : 'heard'}>{caption}</caption>
        <thead>
          <tr>
            {kept.map(column => column.name === ''
              ? <td key="" class={look(column)} />
              : <th key={column.name} scope="col" class={look(column)}>{column.name}</th>)}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, place) => (
            <tr key={id(row, place)} class={tone?.(row)}>
              {kept.map(column => column.head
                ? <th key={column.name} scope="row" class={look(column)}>{column.cell(row)}</th>
                : <td key={column.name} class={look(column)}>{column.cell(row)}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
