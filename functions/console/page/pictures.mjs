// Takes the console's pictures for the documentation: the real page over real counts. `infra/picture` runs it with the
// folder that they go to.
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { until } from './tests/shop.mjs'
import { Stage, skipped } from './tests/stage.mjs'

const WIDTH = 1180
const [folder] = process.argv.slice(2)
if (folder === undefined || skipped) throw new Error(skipped || 'say which folder the pictures go to')

const stage = await Stage.open()
try {
  const { shop, page } = stage
  const shot = async (name, last) => {
    const end = await page.locator(last).last().boundingBox()
    const path = join(folder, `${name}.png`)
    // A window that is as high as the picture: what stays in view stands where it does in one.
    await page.setViewportSize({ width: WIDTH, height: Math.ceil(end.y + end.height) + 24 })
    await page.screenshot({ path })
    await page.setViewportSize({ width: WIDTH, height: 760 })
    console.log(path)
  }
  await page.setViewportSize({ width: WIDTH, height: 760 })
  await stage.open('counts/orders_by_status', '.groups')
  for (let sold = 0; sold < 24; sold++) {
    await shop.sell(1 + sold % 3, 'state')
    await pause(700)
  }
  await until('the chart has moved', async () => await page.locator('.total-chart canvas').count() > 0)
  await shot('console-count', '.groups')

  await shop.sell(30, 'state', { gift: { BOOL: true } })
  await stage.open('schemas/orders', '.timeline')
  await until('the schema has a third version', async () => await page.locator('.timeline > li').count() > 2)
  await stage.open('schemas/orders/diff/1/3', '.diff')
  await shot('console-diff', '.diff')

  await shop.evercount('count', 'alter', 'orders_by_status', '--where', "carrier = 'DHL'")
  const { id } = await shop.planned('orders_by_status', 'awaiting_approval')
  await stage.open(`adjustments/${id}`, '.pair')
  await shot('console-plan', '.pair')

  const ready = 'section[aria-labelledby=h-shadow-schema] tbody tr'
  await stage.open('forecast/orders', ready)
  await shot('console-forecast', ready)
} finally {
  await stage.close()
}
