// Where the page is played: a shop, a console, and a browser. `EVERCOUNT_BINARY` names the command,
// `EVERCOUNT_CHROMIUM` the browser.
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { chromium } from 'playwright-core'
import { PATIENCE_MS, evolved } from './shop.mjs'

const root = join(import.meta.dirname, '../../../..')
const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target')

/** The first Chromium that is there. */
export function browser () {
  const known = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
  return [process.env.EVERCOUNT_CHROMIUM, ...known].find(path => path !== undefined && existsSync(path))
}

/** The command, as cargo builds it. */
export function binary () {
  return process.env.EVERCOUNT_BINARY ?? join(target, 'debug/evercount')
}

function reason () {
  if (browser() === undefined) return 'no Chromium: on Debian, `apt-get install chromium`, or name one in EVERCOUNT_CHROMIUM'
  if (!existsSync(binary())) return `no command at ${binary()}: \`cargo build --package evercount-cli\` makes it`
  return undefined
}

/** Why nothing can be played here; false where it can. Whoever requires a browser is told that there is none. */
export const skipped = reason() ?? false
if (skipped && process.env.EVERCOUNT_BROWSER === 'required') throw new Error(skipped)

const SIZES = { desk: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } }
/** What axe finds of these is a fault; the rest is advice. */
const GRAVE = ['serious', 'critical']

export async function launch () {
  return chromium.launch({
    executablePath: browser(),
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
  })
}

export class Stage {
  static async open () {
    const stage = new Stage()
    stage.shop = await evolved(binary())
    stage.url = await stage.shop.openConsole()
    stage.browser = await launch()
    stage.complaints = []
    stage.pictures = join(target, 'console-pictures')
    mkdirSync(stage.pictures, { recursive: true })
    stage.axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
    stage.page = await stage.browser.newPage({ viewport: SIZES.desk, colorScheme: 'light', reducedMotion: 'reduce' })
    stage.page.setDefaultTimeout(PATIENCE_MS)
    stage.page.on('pageerror', error => stage.complaints.push(error.message))
    stage.page.on('console', message => {
      // That something is not there or does not answer is asked for by the tests; the browser tells of it as well.
      const isAsked = /Failed to load resource/.test(message.text())
      if (['error', 'warning'].includes(message.type()) && !isAsked) stage.complaints.push(message.text())
    })
    stage.page.on('request', request => {
      if (!request.url().startsWith(stage.url)) stage.complaints.push(`it asks for ${request.url()}`)
    })
    return stage
  }

  async close () {
    await this.browser?.close()
    await this.shop?.close()
  }

  /** Goes to a page, and waits for what it is about. */
  async open (place, selector) {
    await this.page.goto(`${this.url}/#/${place}`)
    await this.page.locator(`main ${selector}`).first().waitFor()
  }

  async as (scheme, size) {
    await this.page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' })
    await this.page.setViewportSize(SIZES[size])
  }

  /** What axe finds grave on the page as it is. */
  async judge () {
    await this.page.evaluate(this.axe)
    const { violations } = await this.page.evaluate(() => window.axe.run(document))
    return violations.filter(one => GRAVE.includes(one.impact))
      .map(one => `${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map(node => node.html.slice(0, 160)).join(' | ')}`)
  }

  async look (name) {
    await this.page.screenshot({ path: join(this.pictures, `${name}.png`), fullPage: true })
  }

  /** What a first visit loads, and when the counts are on the page. */
  async firstVisit () {
    const context = await this.browser.newContext()
    const page = await context.newPage()
    await page.goto(this.url)
    await page.locator('main tbody tr').first().waitFor()
    const found = await page.evaluate(() => {
      const loaded = performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))
      const assets = loaded.filter(one => !one.name.includes('/api/'))
      return { bytes: assets.reduce((sum, one) => sum + one.transferSize, 0), ready: performance.now() }
    })
    await pause(0)
    await context.close()
    return found
  }
}
