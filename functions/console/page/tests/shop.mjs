// A shop that writes to the embedded AWS as any application does, and changes its mind about its schema.
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { CreateTableCommand, DynamoDBClient, PutItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb'
import { KinesisClient, PutRecordCommand } from '@aws-sdk/client-kinesis'

/** Far more than anything here takes, on a machine that does other things as well. */
export const PATIENCE_MS = 120_000
/** What no page may take for anything but text. */
export const HOSTILE = '<img src=x onerror="document.title=\'broken in\'"><script>document.title=\'broken in\'</script>'

/** Rows enough for a schema to be read off them. */
export const NOTES = 24

const run = promisify(execFile)

export async function until (what, isSo) {
  for (const start = Date.now(); Date.now() - start < PATIENCE_MS; await pause(250)) {
    if (await isSo()) return
  }
  throw new Error(`${what}: not within ${PATIENCE_MS / 1000} s`)
}

/** Starts a command of ours, and waits for the one line that it prints with `--json`. */
async function start (binary, words, env) {
  const child = spawn(binary, [...words, '--json'], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  process.on('exit', () => child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })
  let text = ''
  for await (const line of lines) {
    text += line
    try {
      return { child, told: JSON.parse(text) }
    } catch {
      // The document goes on in the next line.
    }
  }
  throw new Error(`\`evercount ${words.join(' ')}\` did not start`)
}

export class Shop {
  static async open (binary) {
    const shop = new Shop()
    shop.binary = binary
    shop.home = mkdtempSync(join(tmpdir(), 'evercount-shop-'))
    shop.env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(AWS|EVERCOUNT)_/.test(name)))
    shop.env.EVERCOUNT_HOME = shop.home
    shop.local = await start(binary, ['local'], shop.env)
    const { dynamodb, kinesis, region, stream } = shop.local.told
    const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
    shop.stream = stream
    shop.dynamodb = new DynamoDBClient({ endpoint: dynamodb, region, credentials })
    shop.kinesis = new KinesisClient({ endpoint: kinesis, region, credentials })
    shop.orders = 0
    return shop
  }

  async close () {
    for (const started of [this.console, this.local]) {
      if (started === undefined) continue
      started.child.kill('SIGINT')
      await new Promise(resolve => started.child.once('exit', resolve))
    }
    rmSync(this.home, { recursive: true, force: true })
  }

  /** The console's address. */
  async openConsole () {
    this.console = await start(this.binary, ['console', '--listen', '127.0.0.1:0'], this.env)
    return this.console.told.ready
  }

  async evercount (...words) {
    const { stdout } = await run(this.binary, [...words, '--json'], { env: this.env, maxBuffer: 64 * 1024 * 1024 })
    return JSON.parse(stdout)
  }

  /** A file for a command to read. */
  file (name, text) {
    const path = join(this.home, name)
    writeFileSync(path, text)
    return path
  }

  /** How many read units a second a walk over a source may take. */
  async budget (units) {
    await this.evercount('policy', 'set', '--file', this.file('policy.toml', `backfill_units_a_second = ${units}\n`))
  }

  /** What the forecaster is told: seven years in which `orders` got a column every quarter, and a release that names one. */
  async foretell () {
    const [now, month] = [Math.floor(Date.now() / 1000), 2_629_800]
    const began = now - 84 * month
    const lines = ['at,table,event,column,type,previous_type', `${began},orders,initial,id,TEXT,`]
    for (let quarter = 1; quarter < 28; quarter++) lines.push(`${began + quarter * 3 * month},orders,add_column,past_${quarter},TEXT,`)
    const release = new Date((now + month) * 1000).toISOString().slice(0, 10)
    await this.evercount('forecast', 'import',
      this.file('before.csv', `${lines.join('\n')}\n`),
      this.file('releases.csv', `date,feature,tables,columns\n${release},gift wrapping,orders,"orders.wrapping:BOOL DEFAULT false"\n`))
  }

  async createTable (name) {
    await this.dynamodb.send(new CreateTableCommand({
      TableName: name,
      AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
      KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
      BillingMode: 'PAY_PER_REQUEST'
    }))
  }

  put (table, item) {
    return this.dynamodb.send(new PutItemCommand({ TableName: table, Item: item }))
  }

  /** Sells something: `state` is what the shop calls where an order stands. */
  async sell (n, state = 'status', more = {}) {
    for (let sold = 0; sold < n; sold++, this.orders++) {
      const order = this.orders
      await this.put('orders', {
        id: { S: `o-${String(order).padStart(4, '0')}` },
        [state]: { S: ['PAID', 'NEW', 'SENT', 'NEW', 'PAID', 'RETURNED'][order * 7 % 6] },
        amount: { N: String(10 + order * 37 % 240) },
        customer: { S: `c-${order * 13 % 41}` },
        weight: { N: String(1 + order % 9) },
        carrier: { S: ['DHL', 'InPost', 'DPD'][order % 3] },
        address: { M: { city: { S: ['Kraków', 'Łódź', 'Gdańsk', 'Poznań'][order % 4] }, zip: { S: String(10000 + order % 7) } } },
        ...more
      })
    }
  }

  /** Writes what was sold anew, under another name for where it stands. */
  async rename (from, to, orders) {
    for (let order = 0; order < orders; order++) {
      await this.dynamodb.send(new UpdateItemCommand({
        TableName: 'orders',
        Key: { id: { S: `o-${String(order).padStart(4, '0')}` } },
        UpdateExpression: 'SET #to = :value REMOVE #from',
        ExpressionAttributeNames: { '#to': to, '#from': from },
        ExpressionAttributeValues: { ':value': { S: ['PAID', 'NEW', 'SENT', 'NEW', 'PAID', 'RETURNED'][order * 7 % 6] } }
      }))
    }
  }

  /** An attribute and a value that want to be a program. */
  async sellSomethingHostile () {
    for (let note = 0; note < NOTES; note++) {
      await this.put('notes', { id: { S: `n-${note}` }, [HOSTILE]: { S: HOSTILE }, text: { S: note % 3 === 0 ? HOSTILE : 'harmless' } })
    }
  }

  /** Tickets that are written once: that `status` is called otherwise from some ticket on is told by no update. */
  async fileTickets (from, n, called) {
    for (let ticket = from; ticket < from + n; ticket++) {
      await this.put('tickets', { id: { S: `t-${ticket}` }, [called]: { S: ['waiting for parts', 'in the workshop', 'handed over'][ticket % 3] } })
    }
  }

  /** A change that another system sends by Debezium; `note` may be what it says where it does not send a value again. */
  async ship (id, lsn, op, note) {
    const value = {
      before: null,
      after: { id, note },
      source: { version: '3.6', connector: 'postgresql', name: 'x', ts_us: 1_767_225_600_000_000 + lsn, snapshot: 'false', db: 'main', schema: 'shop', table: 'parcels', lsn },
      op
    }
    await this.record({ topic: 'x.shop.parcels', key: { id }, value }, String(id))
  }

  async record (document, key = 'p') {
    const text = typeof document === 'string' ? document : JSON.stringify(document)
    await this.kinesis.send(new PutRecordCommand({ StreamName: this.stream, PartitionKey: key, Data: Buffer.from(text) }))
  }

  async counted (name, total) {
    let last
    await until(`${name} counts ${total}`, async () => {
      [last] = (await this.evercount('counts', name)).counts
      return last.total === total
    }).catch(cause => { throw new Error(`${cause.message}; the last reading: ${JSON.stringify(last)}`) })
  }

  async planned (name, outcome) {
    let found
    await until(`a plan of ${name} is ${outcome}`, async () => {
      const { plans } = await this.evercount('plan', 'list', name)
      found = plans.find(plan => plan.outcome === outcome)
      return found !== undefined
    })
    return found
  }
}

/** What a record says of a value that it does not repeat. */
export const UNSENT = '__debezium_unavailable_value'

/** Opens a shop whose counts are about to be looked at: an attribute has got another name, and the counts followed it. */
export async function evolved (binary) {
  const shop = await Shop.open(binary)
  await shop.createTable('orders')
  await shop.createTable('notes')
  await shop.evercount('count', 'create', 'orders_by_status', '--table', 'orders', '--group-by', 'status')
  await shop.evercount('count', 'create', 'big_orders_by_city', '--table', 'orders', '--group-by', 'address.city', '--where', 'amount >= 100', '--distinct', 'customer')
  await shop.evercount('count', 'create', 'notes_by_text', '--table', 'notes', '--group-by', 'text')
  await shop.createTable('tickets')
  await shop.evercount('count', 'create', 'tickets_by_status', '--table', 'tickets', '--group-by', 'status')
  await shop.evercount('count', 'create', 'parcels', '--table', 'shop.parcels', '--group-by', 'note')
  await shop.foretell()
  await shop.sell(60)
  await shop.counted('orders_by_status', 60)
  await shop.rename('status', 'state', 45)
  await shop.planned('orders_by_status', 'promoted')
  await shop.sell(20, 'state')
  await shop.counted('orders_by_status', 80)
  await shop.sellSomethingHostile()
  await shop.counted('notes_by_text', NOTES)
  return shop
}
