// Drives one browser for the tests: one JSON command per line in, one JSON answer per line out.
//
//   node driver.mjs chromium|firefox EXECUTABLE PROFILE_FOLDER PROXY_PORT KEY_HASH [scriptless]
//
// Every connection of the browser goes to the proxy, so that nothing leaves the machine and the
// sites have real names and default ports.

import { createInterface } from 'node:readline';
import jsQR from 'jsqr';
import { PNG } from 'pngjs';
import puppeteer from 'puppeteer-core';

const LIMIT_MS = 20_000;
const PAUSE_MS = 20;

const [kind, executablePath, profile, proxyPort, keyHash, mode] = process.argv.slice(2);
const scriptless = mode === 'scriptless';

const CHROMIUM_FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  // What only costs time here: nobody looks, and no test goes back.
  '--disable-software-rasterizer',
  '--disable-features=PaintHolding,BackForwardCache',
  '--disable-quic',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  `--proxy-server=http://127.0.0.1:${proxyPort}`,
  // Trusting this one key, unlike ignoring all faults of certificates, leaves the cache on.
  `--ignore-certificate-errors-spki-list=${keyHash}`,
];

const FIREFOX_PREFERENCES = {
  'network.proxy.type': 1,
  'network.proxy.http': '127.0.0.1',
  'network.proxy.http_port': Number(proxyPort),
  'network.proxy.ssl': '127.0.0.1',
  'network.proxy.ssl_port': Number(proxyPort),
  'network.proxy.no_proxies_on': '',
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'security.OCSP.enabled': 0,
  'services.settings.server': 'data:,#remote-settings-dummy/v1',
  'javascript.enabled': !scriptless,
};

const launching = {
  chromium: {
    browser: 'chrome',
    args: CHROMIUM_FLAGS,
  },
  firefox: {
    browser: 'firefox',
    protocol: 'webDriverBiDi',
    acceptInsecureCerts: true,
    extraPrefsFirefox: FIREFOX_PREFERENCES,
  },
};

// Runs in every page before its own scripts.
function prepare() {
  window.violations = [];
  window.addEventListener(
    'securitypolicyviolation',
    (event) =>
      window.violations.push(
        `${event.effectiveDirective} ${event.blockedURI} ${event.disposition}`,
      ),
    true,
  );
  window.until = async (condition) => {
    for (const end = Date.now() + 15_000; Date.now() < end; ) {
      const value = await condition();
      if (value) return value;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`never came: ${condition}`);
  };
}

const browser = await puppeteer.launch({
  ...launching[kind],
  executablePath,
  userDataDir: profile,
  headless: true,
  timeout: 90_000,
});

const pages = new Map();

function describe(response) {
  return response && { status: response.status(), headers: response.headers() };
}

function find(xpath) {
  return `document.evaluate(${JSON.stringify(xpath)}, document, null, 9, null).singleNodeValue`;
}

function pause() {
  return new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}

// By the keyboard, and not by puppeteer's clicks and selectors: in Firefox without script, what
// those run in the page never comes to an end.
async function focus(name, xpath) {
  await pages.get(name).page.evaluate(`${find(xpath)}.focus()`);
}

const commands = {
  // A context has its own cookies and its own cache.
  async open({ name }) {
    const context = await browser.createBrowserContext();
    const page = await context.newPage();
    page.setDefaultTimeout(LIMIT_MS);
    // Firefox knows no such command, but the preference.
    if (scriptless && kind === 'chromium') await page.setJavaScriptEnabled(false);
    await page.evaluateOnNewDocument(prepare);
    const faults = [];
    page.on('pageerror', (error) => faults.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error') faults.push(message.text());
    });
    pages.set(name, { context, page, faults });
  },
  async goto({ name, url }) {
    return describe(await pages.get(name).page.goto(url, { waitUntil: 'load' }));
  },
  // Runs a script that leaves the page, and waits for the page that comes.
  async leave({ name, script }) {
    const { page } = pages.get(name);
    const arrived = page.waitForNavigation({ waitUntil: 'load' });
    const [response] = await Promise.all([arrived, page.evaluate(script)]);
    return describe(response);
  },
  async type({ name, xpath, text }) {
    await focus(name, xpath);
    const { keyboard } = pages.get(name).page;
    // At once, where that is a command of the browser: in Firefox it is a script of the page.
    await (kind === 'chromium' ? keyboard.sendCharacter(text) : keyboard.type(text));
  },
  async press({ name, xpath }) {
    await focus(name, xpath);
    await pages.get(name).page.keyboard.press('Enter');
  },
  // Presses what leads to another page, and waits for that.
  async follow({ name, xpath }) {
    const { page } = pages.get(name);
    await focus(name, xpath);
    const arrived = page.waitForNavigation({ waitUntil: 'load' });
    const [response] = await Promise.all([arrived, page.keyboard.press('Enter')]);
    return { ...describe(response), url: page.url() };
  },
  // Waits for a page that comes by itself.
  async reach({ name, start }) {
    const { page } = pages.get(name);
    for (const end = Date.now() + LIMIT_MS; Date.now() < end; await pause()) {
      if (!page.url().startsWith(start)) continue;
      const state = await page.evaluate('document.readyState').catch(() => 'going');
      if (state === 'complete') return page.url();
    }
    throw new Error(`still at ${page.url()}`);
  },
  // Reads the QR code that an element looks like on the screen.
  async scan({ name, xpath }) {
    const { page } = pages.get(name);
    const clip = await page.evaluate(
      `(() => {
        const { x, y, width, height } = ${find(xpath)}.getBoundingClientRect();
        return { x: x + scrollX, y: y + scrollY, width, height };
      })()`,
    );
    const { data, width, height } = PNG.sync.read(Buffer.from(await page.screenshot({ clip })));
    return jsQR(new Uint8ClampedArray(data), width, height)?.data;
  },
  async evaluate({ name, script }) {
    return (await pages.get(name).page.evaluate(script)) ?? null;
  },
  async faults({ name }) {
    return pages.get(name).faults;
  },
  async cookies({ name }) {
    return pages.get(name).context.cookies();
  },
  async forget({ name, cookie }) {
    const { context } = pages.get(name);
    const kept = await context.cookies();
    await context.deleteCookie(...kept.filter((found) => found.name === cookie));
  },
  async close({ name }) {
    const { context } = pages.get(name);
    pages.delete(name);
    await context.close();
  },
};

function answer(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

answer({ value: await browser.version() });
for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...rest } = JSON.parse(line);
  try {
    answer({ value: (await commands[command](rest)) ?? null });
  } catch (error) {
    answer({ error: String(error?.stack ?? error) });
  }
}
await browser.close();
