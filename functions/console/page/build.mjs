// Bundles the page into shared/console/assets, the same bytes each time. With `--check` it writes nothing, and
// fails where what is committed is not what the sources give, or where the first page is too large.
import { build } from 'esbuild'
import { readFile, mkdir, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'

const here = import.meta.dirname
const assets = join(here, '../../../shared/console/assets')
/** What a first visit may load, compressed. */
const FIRST_PAGE_BYTES_MAX = 200 * 1024

const { outputFiles } = await build({
  entryPoints: { page: join(here, 'src/main.tsx') },
  outdir: assets,
  absWorkingDir: here,
  bundle: true,
  minify: true,
  write: false,
  format: 'esm',
  target: ['es2022'],
  charset: 'utf8',
  legalComments: 'eof'
})
const files = new Map(outputFiles.map(file => [basename(file.path), Buffer.from(file.contents)]))
for (const name of ['index.html', 'icon.svg']) files.set(name, await readFile(join(here, 'src', name)))

const compressed = [...files.values()].map(bytes => gzipSync(bytes, { level: 9 }).length)
const [gzip, plain] = [compressed, [...files.values()].map(bytes => bytes.length)].map(all => all.reduce((sum, n) => sum + n, 0))
const brotli = [...files.values()].reduce((sum, bytes) => sum + brotliCompressSync(bytes).length, 0)
console.log(`first page: ${kib(plain)} KiB, ${kib(gzip)} KiB by gzip, ${kib(brotli)} KiB by brotli`)
if (gzip > FIRST_PAGE_BYTES_MAX) {
  console.error(`the first page may have ${kib(FIRST_PAGE_BYTES_MAX)} KiB compressed`)
  process.exit(1)
}

if (process.argv.includes('--check')) {
  const stale = []
  for (const [name, bytes] of files) {
    const committed = await readFile(join(assets, name)).catch(() => null)
    if (committed === null || !committed.equals(bytes)) stale.push(name)
  }
  if (stale.length > 0) {
    console.error(`shared/console/assets is not what the sources give: ${stale.join(', ')}; run \`npm run build\` in functions/console/page`)
    process.exit(1)
  }
} else {
  await mkdir(assets, { recursive: true })
  for (const [name, bytes] of files) await writeFile(join(assets, name), bytes)
}

function kib (bytes) {
  return (bytes / 1024).toFixed(1)
}
