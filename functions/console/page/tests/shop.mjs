// A shop that writes to the embedded AWS as any application does, and changes its mind about its schema.
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
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
  await shop.evercount('count', 'create', 'parcels', '--table', 'shop.parcels', '--group-by', 'note')
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
