// The page in a real browser, on the embedded AWS, while a schema evolves. What it needs is in `stage.mjs`.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { HOSTILE, NOTES, UNSENT, until } from './shop.mjs'
import { Stage, skipped } from './stage.mjs'

let stage, shop, page

before(async () => {
  if (skipped) return
  stage = await Stage.open()
  ;({ shop, page } = stage)
})
after(async () => { await stage?.close() })

const check = (what, body) => test(what, { skip: skipped }, body)
const text = async selector => (await page.locator(selector).first().innerText()).trim()
const figure = async () => Number((await text('.figure')).replaceAll(',', ''))

check('the first page is small, and there at once', async () => {
  const { bytes, ready } = await stage.firstVisit()
  console.log(`first page: ${(bytes / 1024).toFixed(0)} KiB loaded, counts on the page after ${ready.toFixed(0)} ms`)
  assert.ok(bytes < 200 * 1024, `${bytes} bytes`)
})

check('a count changes while somebody looks', async () => {
  await stage.open('counts/orders_by_status', '.figure')
  await page.evaluate(() => { window.isSamePage = true })
  const was = await figure()
  await shop.sell(3, 'state')
  await until('the total moves', async () => await figure() === was + 3)
  assert.equal(await page.evaluate(() => window.isSamePage), true, 'the page was loaded anew')
  assert.equal(await text('.total .tag'), 'exact')
})

check('a version and a time can be chosen, and taken back', async () => {
  await stage.open('counts/orders_by_status', '.figure')
  await page.locator('.switches select').selectOption('1')
  await page.waitForURL(/version=1/)
  await until('version 1 is shown', async () => /logic version\s*1\b/.test(await text('.total .facts')))
  await page.goBack()
  await page.waitForURL(url => !url.href.includes('version=1'))
  await page.locator('.switches input').fill('2020-01-01T00:00:00')
  await page.waitForURL(/as_of=2020/)
  const trouble = page.getByRole('alert')
  await trouble.waitFor()
  assert.match(await trouble.innerText(), /not counted/)
  await page.getByRole('link', { name: 'Back to now' }).click()
  await page.locator('.figure').waitFor()
})

check('a schema evolves while somebody looks', async () => {
  await stage.open('schemas/orders', '.timeline')
  const versions = await page.locator('.timeline > li').count()
  await shop.sell(30, 'state', { gift: { BOOL: true } })
  await until('a new version is on the time line', async () => await page.locator('.timeline > li').count() > versions)
  assert.match(await text('.timeline > li'), /gift/)
  await page.locator('.timeline > li').first().getByRole('link', { name: 'see the difference' }).click()
  await page.locator('tr.added').waitFor()
  assert.match(await text('tr.added'), /gift/)
})

check('a plan is approved with a click, and takes over', async () => {
  await shop.evercount('count', 'alter', 'orders_by_status', '--where', "carrier = 'DHL'")
  const { id } = await shop.planned('orders_by_status', 'awaiting_approval')
  await stage.open('adjustments', '.story.waits')
  await stage.look('waiting')
  await page.locator('.story.waits a').first().click()
  await page.waitForURL(url => url.href.includes(id))
  await page.getByRole('button', { name: 'Approve' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText('What will happen').waitFor()
  await until('the dialog says what will happen', async () => /the source is read/i.test(await dialog.innerText()))
  await stage.look('approving')
  await dialog.getByRole('button', { name: 'Approve' }).click()
  await until('it is promoted', async () => /promoted/.test(await text('.verdict .tag')))
  const { plans } = await shop.evercount('plan', 'list', 'orders_by_status')
  assert.equal(plans.find(plan => plan.id === id).outcome, 'promoted')
  await page.getByText('as planned').first().waitFor()
})

check('long work shows how far it is, is halted with a click, and goes on', async () => {
  // A fifth of a unit a second: the walk over the table takes long enough to be seen and halted.
  await shop.budget(0.2)
  await shop.evercount('count', 'alter', 'big_orders_by_city', '--where', 'weight >= 5')
  const { id } = await shop.planned('big_orders_by_city', 'awaiting_approval')
  await stage.open(`adjustments/${id}`, '.verdict')
  await page.getByRole('button', { name: 'Approve' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('button', { name: 'Approve', disabled: false }).click()
  await page.locator('.verdict progress').waitFor()
  await page.getByRole('button', { name: 'Halt' }).click()
  await until('the dialog says what will happen', async () => /halts where it is/.test(await dialog.innerText()))
  await stage.look('halting')
  await dialog.getByRole('button', { name: 'Halt', disabled: false }).click()
  await page.getByRole('button', { name: 'Go on' }).last().waitFor()
  const walks = async () => (await shop.evercount('backfill', 'status')).walks
  await until('the command says so too', async () => (await walks()).some(walk => walk.plan === id && walk.state === 'paused'))
  await stage.open('health', '.tiles')
  await page.getByText('halted').first().waitFor()
  assert.deepEqual(await stage.judge(), [])
  await stage.look('halted')
  await shop.budget(100)
  await page.locator('#page main').getByRole('button', { name: 'Go on' }).click()
  await dialog.getByRole('button', { name: 'Go on', disabled: false }).click()
  await stage.open(`adjustments/${id}`, '.verdict')
  await until('it is promoted', async () => /promoted/.test(await text('.verdict .tag')))
})

check('a question that only a person can answer is answered with a click', async () => {
  await shop.fileTickets(0, 40, 'status')
  await shop.counted('tickets_by_status', 40)
  await shop.fileTickets(40, 80, 'state')
  const { id } = await shop.planned('tickets_by_status', 'awaiting_approval')
  await stage.open(`adjustments/${id}`, '.choices')
  const answers = await page.locator('.choices li strong').allInnerTexts()
  assert.ok(answers.includes('it is a rename'), answers.join(', '))
  assert.deepEqual(await stage.judge(), [])
  await stage.look('choices')
  await page.locator('.choices li', { hasText: 'it is a rename' }).getByRole('button', { name: 'This is so' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText('What will happen').waitFor()
  await dialog.getByRole('button', { name: 'This is so', disabled: false }).click()
  await until('it is promoted', async () => /promoted/.test(await text('.verdict .tag')))
  const [reading] = (await shop.evercount('counts', 'tickets_by_status')).counts
  assert.equal(reading.total, 120)
  assert.match(JSON.stringify(reading), /"state":/)
})

check('what is foretold is shown as it is kept, with the columns that are held ready', async () => {
  await stage.open('forecast', 'table')
  await until('the table is judged', async () => await page.locator('tr', { hasText: 'orders' }).locator('.interval').count() > 0)
  await page.getByRole('link', { name: 'orders', exact: true }).click()
  await page.getByText('Its half-year ends').or(page.getByText('its half-year ends')).first().waitFor()
  const ready = page.locator('section', { has: page.getByRole('heading', { name: 'Shadow schema' }) })
  await ready.locator('tbody tr', { hasText: 'wrapping' }).waitFor()
  assert.match(await ready.locator('tbody tr').first().innerText(), /boolean|bool/)
  const { tables, shadow } = await shop.evercount('forecast', 'explain', 'orders')
  const [any] = tables[0].chances.filter(one => one.kind === 'any' && one.days === 183)
  assert.match(await text('.interval .n'), /%/)
  assert.ok(any.said !== null && shadow[0].columns.some(column => column.column === 'wrapping'), JSON.stringify(shadow))
})

check('a rollback is confirmed, and readers see the version before', async () => {
  await stage.open('counts/orders_by_status', '.figure')
  const narrow = await figure()
  const [{ version }] = (await shop.evercount('counts', 'orders_by_status')).counts
  await page.getByRole('button', { name: 'Roll back' }).click()
  const dialog = page.getByRole('dialog')
  await until('the dialog says what will happen', async () => /becomes active again/.test(await dialog.innerText()))
  // Whoever thinks better of it changes nothing, and is where they were.
  await page.keyboard.press('Escape')
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Roll back')
  assert.equal((await shop.evercount('counts', 'orders_by_status')).counts[0].version, version)
  await page.keyboard.press('Enter')
  await until('the dialog is there again', async () => /becomes active again/.test(await dialog.innerText()))
  await dialog.getByRole('button', { name: 'Roll back' }).click()
  await until('more is counted again', async () => await figure() > narrow)
  assert.ok((await shop.evercount('counts', 'orders_by_status')).counts[0].version < version)
})

check('a quarantined record is replayed', async () => {
  await shop.ship(1, 10, 'c', 'fragile')
  await shop.ship(3, 50, 'u', UNSENT)
  await shop.record(`{"not": a record ${HOSTILE}`)
  await stage.open('quarantine', 'table tbody tr')
  await until('both are put aside', async () => await page.locator('tbody tr').count() === 2)
  // Once the row was sent whole, the record no longer matters.
  await shop.ship(3, 70, 'u', 'short')
  await shop.counted('parcels', 2)
  await page.locator('tbody tr', { hasText: 'value_unavailable' }).getByRole('link').click()
  await page.locator('.raw').waitFor()
  assert.match(await text('.raw'), /parcels/)
  await page.getByRole('button', { name: 'hex' }).click()
  assert.match(await text('.raw'), /^000000 {2}7b/)
  await page.getByRole('button', { name: 'Replay' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Replay', disabled: false }).click()
  await page.waitForURL(/#\/quarantine$/)
  await until('one is left', async () => await page.locator('tbody tr').count() === 1)
  // What is no record never becomes one, and the page says why it stays.
  await page.locator('tbody tr').getByRole('link').click()
  await page.getByRole('button', { name: 'Replay' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Replay', disabled: false }).click()
  await page.getByRole('status').getByText('still in quarantine').waitFor()
  await page.getByText('every count').waitFor()
})

check('an audit is asked for, and says what it found', async () => {
  await stage.open('health', '.tiles')
  await page.locator('.switches select').selectOption('big_orders_by_city')
  await page.getByRole('button', { name: 'Audit' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Audit', disabled: false }).click()
  await page.getByText('counted right').first().waitFor()
  assert.match(await text('.stories .tag'), /all agree/)
  await until('it is the certificate', async () => /big_orders_by_city/.test(await page.locator('.tile', { hasText: 'last audit' }).innerText()))
})

check('values from data stay text', async () => {
  for (const [place, selector] of [
    ['schemas/notes/fields', 'table'], ['counts/notes_by_text', '.groups'], ['schemas/notes/cardinality', 'table'], ['quarantine', 'table']
  ]) {
    await stage.open(place, selector)
    if (place === 'quarantine') {
      await page.locator('tbody tr').getByRole('link').click()
      await page.locator('.raw').waitFor()
    }
    await until(`${place} shows it as text`, async () => (await page.locator('main').innerText()).includes(HOSTILE.slice(0, 20)))
    await pause(300)
    assert.doesNotMatch(await page.title(), /broken in/)
    assert.equal(await page.locator('img, main script, [onerror]').count(), 0)
  }
  assert.equal((await shop.evercount('counts', 'notes_by_text')).counts[0].total, NOTES)
})

check('no mouse is needed', async () => {
  await stage.open('counts', 'table')
  await page.reload()
  await page.locator('table').waitFor()
  await page.keyboard.press('Tab')
  assert.match(await page.evaluate(() => document.activeElement.textContent), /Skip/)
  await page.keyboard.press('Enter')
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main')
  const reached = new Set()
  for (let step = 0; step < 12; step++) {
    await page.keyboard.press('Tab')
    reached.add(await page.evaluate(() => document.activeElement.textContent))
  }
  assert.ok(reached.has('orders_by_status'), [...reached].join(', '))
  await page.getByRole('link', { name: 'orders_by_status' }).focus()
  await page.keyboard.press('Enter')
  await page.locator('.figure').waitFor()
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main')
})

check('a console that is gone is told of, with what mends it, and awaited', async () => {
  await stage.open('counts', 'table')
  await page.route('**/api/**', route => route.abort())
  await page.getByRole('alert').getByText('does not answer').first().waitFor()
  assert.match(await text('.trouble'), /cargo evercount console/)
  assert.equal(await page.locator('table').count(), 1, 'what was read before is still there')
  await page.unroute('**/api/**')
  await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')))
  await until('it goes on', async () => await page.getByRole('alert').count() === 0)
})

check('every page is usable by everybody, in light and dark, on a desk and on a phone', async () => {
  const { plans } = await shop.evercount('plan', 'list')
  const { quarantined } = await shop.evercount('quarantine', 'list')
  const id = quarantined[0].id
  const [promoted] = plans.filter(plan => plan.count === 'orders_by_status' && plan.change === 'rename_column')
  const [asked] = plans.filter(plan => plan.change === 'redefine')
  const places = {
    counts: ['counts', 'table'],
    count: ['counts/orders_by_status', '.groups'],
    'count-distinct': ['counts/big_orders_by_city', '.groups'],
    'count-absent': ['counts/nothing', '.trouble'],
    schemas: ['schemas', 'table'],
    schema: ['schemas/orders', '.timeline'],
    fields: ['schemas/orders/fields', 'table'],
    diff: ['schemas/orders/diff/1/3', '.diff'],
    lineage: ['schemas/orders/lineage', '.flow'],
    cardinality: ['schemas/orders/cardinality', 'table'],
    adjustments: ['adjustments', '.story'],
    plan: [`adjustments/${promoted.id}`, '.verdict'],
    'plan-witness': [`adjustments/${asked.id}`, '.verdict'],
    quarantine: ['quarantine', 'table'],
    record: [`quarantine/${encodeURIComponent(id)}`, '.raw'],
    forecast: ['forecast', 'table'],
    'forecast-table': ['forecast/orders', '.section'],
    health: ['health', '.tiles'],
    'not-here': ['nowhere', '.empty']
  }
  let judged = 0
  for (const [name, [place, selector]] of Object.entries(places)) {
    for (const scheme of ['light', 'dark']) {
      for (const size of ['desk', 'phone']) {
        await stage.as(scheme, size)
        await stage.open(place, selector)
        await pause(150)
        const wrong = await stage.judge()
        assert.deepEqual(wrong, [], `${name}, ${scheme}, ${size}`)
        const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
        assert.ok(over <= 0, `${name} is ${over} px too wide on a ${size}`)
        await stage.look(`${name}-${scheme}-${size}`)
        judged++
      }
    }
  }
  await stage.as('light', 'desk')
  console.log(`${judged} pages judged; pictures are in ${stage.pictures}`)
})

check('nothing went wrong unseen', () => {
  assert.deepEqual(stage.complaints, [])
})
