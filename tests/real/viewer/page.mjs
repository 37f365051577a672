// What the tests of the page share: a browser, events to report, and the page of a log.
//
// The tests run with Node's own runner. tests/real/test_viewer.py starts the log, and sets
//   LOG       the URL of the local service
//   ENGINE    the URL of its DynamoDB engine
//   VIEW      the URL that `audit-log view` printed for the log
//   MODULES   the folder with playwright-core and axe-core

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before } from "node:test";

const { LOG, MODULES } = process.env;
const require = createRequire(`${MODULES}/package.json`);
const { chromium } = require("playwright-core");
export const axe = require.resolve("axe-core");

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
// Without these flags, Chromium asks hosts of its maker, which a closed network refuses.
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const PATIENCE = 30_000;

/** Starts the browser. */
export function launch() {
  return chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
}

/**
 * A browser for the tests of a file. Each page is closed with it.
 * @returns {(path?: string, options?: object) => Promise<import("playwright-core").Page>} Opens a
 *   page whose list is complete.
 */
export function browser() {
  let launched;
  before(async () => {
    launched = await launch();
  });
  after(() => launched?.close());
  return (path = "", options = {}) => open(launched, path, options);
}

/** Opens the page at this query, in a profile of its own. */
export async function open(launched, path, { base = `${LOG}/`, prepare, ...options } = {}) {
  const context = await launched.newContext({
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
    viewport: { width: 1280, height: 900 },
    permissions: ["clipboard-read", "clipboard-write"],
    ...options,
  });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  page.problems = [];
  page.on("pageerror", (error) => page.problems.push(String(error)));
  page.on("console", (message) => {
    if (message.text().includes("Content Security Policy")) page.problems.push(message.text());
  });
  page.on("request", (request) => {
    const { origin } = new URL(request.url());
    if (!request.url().startsWith("blob:") && origin !== new URL(base).origin) {
      page.problems.push(`asked ${request.url()}`);
    }
  });
  page.on("dialog", (dialog) => {
    page.problems.push(`a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  await prepare?.(page);
  await page.goto(base + path);
  await listed(page);
  return page;
}

/** Waits until the list is complete. */
export async function listed(page) {
  await page.waitForFunction(() => {
    const isBusy = document.querySelector("#events").hasAttribute("aria-busy");
    const hasPages = document.querySelector(".pager button") !== null;
    return !isBusy && hasPages;
  });
}

/** Nothing failed in the page, and it asked no other host. */
export function assertClean(page) {
  assert.deepEqual(page.problems, []);
}

/** The text of a document. Members that are given replace those of a small event. */
export function document(members = {}) {
  return JSON.stringify({
    user_id: "ada",
    event_type: "invoice_paid",
    timestamp: "2024-03-01T12:00:00Z",
    src_service: "billing",
    invariant_data: { amount: 10 },
    app_data: null,
    ...members,
  });
}

// So many events are recorded in the time that a request has, also by a debug build on a busy machine.
const BATCH = 20;

/** Reports texts of documents. Returns their IDs. */
export async function report(...documents) {
  const ids = [];
  while (ids.length < documents.length) {
    const batch = documents.slice(ids.length, ids.length + BATCH);
    const response = await fetch(`${LOG}/events`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: `[${batch.join(",")}]`,
    });
    const body = await response.json();
    assert.equal(body.recorded, batch.length, JSON.stringify(body).slice(-300));
    ids.push(...body.results.map(({ id }) => id));
  }
  return ids;
}

/** Waits until an event is sealed. */
export async function sealed(id) {
  await until(async () => (await fetch(`${LOG}/events/${id}/proof`)).ok, `${id} is sealed`);
}

/** The values that the log suggests to filter by. */
export async function facets() {
  return (await fetch(`${LOG}/events/facets`)).json();
}

/** Waits until a condition holds. */
export async function until(holds, what) {
  const deadline = Date.now() + PATIENCE;
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, `it does not hold that ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** The cells of the rows of events, without the opened ones. */
export function rows(page) {
  return page.$$eval("tr.event", (rows) =>
    rows.map((row) => [...row.cells].map((cell) => cell.textContent.trim())),
  );
}

/** The text of an element. */
export async function text(page, selector) {
  return (await page.textContent(selector)).trim();
}

/** Waits until an element has a text. */
export async function says(page, selector, expected) {
  try {
    await page.waitForFunction(
      ([selector, expected]) => {
        const shown = document.querySelector(selector)?.textContent ?? "";
        return shown.includes(expected);
      },
      [selector, expected],
    );
  } catch {
    const shown = await page.$eval(selector, (element) => element.textContent).catch(() => "nothing");
    assert.fail(`${selector} says ${JSON.stringify(shown)}, not ${JSON.stringify(expected)}`);
  }
}

/** A user of this test only, so that tests of one log do not see each other's events. */
export function someone() {
  return `user-${crypto.randomUUID().slice(0, 8)}`;
}

/** The query of a user's events. */
export function of(user) {
  return `?user_id=${encodeURIComponent(user)}`;
}
