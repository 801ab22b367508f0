// Makes a shop whose attribute `status` becomes `state`, and takes pictures of the items that this leaves
// in the tables. `infra/picture` runs it.
'use strict'

const { execFileSync, spawn } = require('node:child_process')
const { mkdtempSync, rmSync, mkdirSync } = require('node:fs')
const { tmpdir } = require('node:os')
const { join } = require('node:path')
const { createInterface } = require('node:readline')
const { DynamoDBClient, CreateTableCommand, PutItemCommand, UpdateItemCommand } =
  require('@aws-sdk/client-dynamodb')
const { createServer } = require('dynamodb-admin')
const { chromium } = require('playwright-core')

const [evercountBin, chromiumBin, pictures] = process.argv.slice(2)
const home = mkdtempSync(join(tmpdir(), 'evercount-picture-'))
const environment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(AWS|EVERCOUNT)_/.test(name)))
environment.EVERCOUNT_HOME = home

// Far more than anything here takes.
const PATIENCE_MS = 60_000
const ITEMS = 60

const evercount = (...words) =>
  JSON.parse(execFileSync(evercountBin, [...words, '--json'], { env: environment, encoding: 'utf8' }))
const pause = ms => new Promise(resolve => setTimeout(resolve, ms))

async function until (what, isSo) {
  for (const start = Date.now(); Date.now() - start < PATIENCE_MS; await pause(300)) {
    if (isSo()) return
  }
  throw new Error(`${what}: not within ${PATIENCE_MS / 1000} s`)
}

async function local () {
  const child = spawn(evercountBin, ['local', '--json'], { env: environment, stdio: ['ignore', 'pipe', 'inherit'] })
  process.on('exit', () => child.kill('SIGKILL'))
  for await (const line of createInterface({ input: child.stdout })) {
    // The one line it prints with `--json`.
    return { child, told: JSON.parse(line) }
  }
  throw new Error('`evercount local` did not start')
}

// What happens in the shop.
async function changes (dynamodb) {
  const send = command => dynamodb.send(command)
  const TableName = 'orders'
  await send(new CreateTableCommand({
    TableName,
    AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
    KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
    BillingMode: 'PAY_PER_REQUEST'
  }))
  evercount('count', 'create', 'orders_by_status', '--table', TableName, '--group-by', 'status')
  const status = item => ({ S: ['PAID', 'NEW', 'SENT', 'NEW'][item % 4] })
  const put = (item, name) => send(new PutItemCommand({
    TableName,
    Item: { id: { S: `o-${item}` }, [name]: status(item), amount: { N: String(item * 7 % 200) } }
  }))
  const counted = n => () => {
    const [count] = evercount('counts', 'orders_by_status').counts
    return count.exact && count.total === n
  }
  for (let item = 0; item < ITEMS; item++) await put(item, 'status')
  await until('items are counted', counted(ITEMS))

  for (let item = 0; item < ITEMS * 3 / 4; item++) {
    await send(new UpdateItemCommand({
      TableName,
      Key: { id: { S: `o-${item}` } },
      UpdateExpression: 'SET #to = :value REMOVE #from',
      ExpressionAttributeNames: { '#to': 'state', '#from': 'status' },
      ExpressionAttributeValues: { ':value': status(item) }
    }))
  }
  const outcome = wanted => () =>
    evercount('plan', 'list', 'orders_by_status').plans.some(plan => plan.outcome === wanted)
  await until('the count follows the new name', outcome('promoted'))
  for (let item = ITEMS; item < ITEMS + 20; item++) await put(item, 'state')
  await until('items are counted', counted(ITEMS + 20))

  evercount('count', 'alter', 'orders_by_status', '--where', 'amount >= 100')
  await until('a plan waits', outcome('awaiting_approval'))
}

// Shows the columns that are wanted and the items in the order of their sort key, as a console does by its
// preferences; nothing that is shown is changed.
function arrange ({ title, columns, asRows }) {
  const hide = selector => document.querySelectorAll(selector).forEach(one => { one.style.display = 'none' })
  hide('#form, ul.nav, ol > div, .scroll-indicator')
  const table = document.querySelector('.items-table')
  const [head, body] = [table.tHead.rows[0], table.tBodies[0]]
  const names = [...head.cells].map(cell => cell.textContent.trim())
  const at = name => names.indexOf(name)
  const missing = columns.filter(column => at(column) < 0)
  if (missing.length) throw new Error(`no ${missing} among ${names}`)
  const sortKey = row => row.cells[at('sk')].textContent
  const rows = [...body.rows].sort((one, other) => sortKey(one) < sortKey(other) ? -1 : 1)
  body.replaceChildren(...rows)
  for (const row of [head, ...rows]) {
    row.replaceChildren(...columns.map(column => row.cells[at(column)].cloneNode(true)))
  }
  if (asRows) {
    // One item: an attribute a line.
    const cells = [...rows[0].cells]
    body.replaceChildren(...columns.map((column, place) => {
      const line = document.createElement('tr')
      const name = document.createElement('td')
      name.textContent = column
      line.append(name, cells[place])
      return line
    }))
    head.replaceChildren(...['attribute', 'value'].map(text => {
      const cell = document.createElement('th')
      cell.textContent = text
      return cell
    }))
  }
  const heading = document.createElement('p')
  heading.textContent = title
  document.querySelector('main').prepend(heading)
  const style = document.createElement('style')
  style.textContent = `
    main > p { font-size: 16px; margin: 14px 0 10px }
    .items-table { width: 100% }
    .items-table td, .items-table th { font-size: 14px; padding: 8px 10px; vertical-align: top }
    .items-table td:first-child, .items-table th:first-child { position: static }
    .items-table td:last-child * { white-space: normal !important; overflow-wrap: break-word }
    .items-table th { white-space: nowrap }`
  document.head.append(style)
}

async function take (browser, address) {
  const page = await browser.newPage({ viewport: { width: 1180, height: 900 } })
  const shot = async (name, last) => {
    const end = await page.locator(last).last().boundingBox()
    const clip = { x: 0, y: 0, width: page.viewportSize().width, height: Math.ceil(end.y + end.height) + 12 }
    const path = join(pictures, `${name}.png`)
    await page.screenshot({ path, clip })
    console.log(path)
  }
  const query = async (name, table, [pk, sk], how) => {
    const filter = (operator, value) => ({ operator, value, type: 'S' })
    const filters = { pk: filter('=', pk), ...(sk && { sk: filter('begins_with', sk) }) }
    const search = new URLSearchParams({
      operationType: 'query', queryableSelection: 'table', filters: JSON.stringify(filters)
    })
    await page.goto(`${address}/tables/${table}?${search}&pageSize=100`)
    await page.waitForSelector('#items-container tr')
    const also = sk ? ` and sk begins with ${sk}` : ''
    await page.evaluate(arrange, { title: `Query: pk = ${pk}${also}`, ...how })
    await shot(name, '.items-table')
  }
  await query('counts', 'evercount-counts', ['orders_by_status#v0002'], {
    columns: ['pk', 'sk', '{"state":"NEW"}', '{"state":"PAID"}', '{"state":"SENT"}']
  })
  await query('versions', 'evercount-metadata', ['catalog', 'orders_by_status'], {
    columns: ['sk', 'state', 'summary']
  })
  await query('plans', 'evercount-metadata', ['adjustment#orders_by_status'], {
    columns: ['created_at', 'class', 'outcome', 'summary']
  })
  const { plans } = evercount('plan', 'list', 'orders_by_status')
  const { id, created_at: at } = plans.find(plan => plan.outcome === 'promoted')
  await query('plan', 'evercount-metadata', ['adjustment#orders_by_status', `${at}#${id}`], {
    columns: ['changes', 'sentence', 'was', 'becomes', 'class', 'certificate', 'affected', 'policy', 'agreed',
      'explained', 'unexplained', 'verdict', 'from_version', 'to_version', 'outcome'],
    asRows: true
  })
}

async function main () {
  const { child, told } = await local()
  const dynamoDbClient = new DynamoDBClient({
    endpoint: told.dynamodb, region: told.region, credentials: { accessKeyId: 'test', secretAccessKey: 'test' }
  })
  await changes(dynamoDbClient)
  const server = createServer({ dynamoDbClient }).listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const browser = await chromium.launch({
    executablePath: chromiumBin,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync']
  })
  mkdirSync(pictures, { recursive: true })
  await take(browser, `http://127.0.0.1:${server.address().port}`)
  await browser.close()
  server.close()
  child.kill('SIGINT')
  await new Promise(resolve => child.once('exit', resolve))
}

main()
  .catch(error => {
    console.error(error)
    process.exitCode = 1
  })
  .finally(() => {
    rmSync(home, { recursive: true, force: true })
    process.exit()
  })
