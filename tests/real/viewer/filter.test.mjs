import assert from "node:assert/strict";
import { before, test } from "node:test";

import { assertClean, browser, document, facets, listed, of, report, rows, says, someone, until } from "./page.mjs";

const page = browser();
const user = someone();
const type = `type-${user}`;

before(async () => {
  const at = (hour, members) =>
    document({ user_id: user, timestamp: `2024-06-10T${hour}:30:00Z`, ...members });
  await report(
    at("00", { event_type: type }),
    at("06"),
    at("12", { src_service: "auth" }),
    at("18"),
    document({ event_type: type, timestamp: "2024-06-11T00:00:00Z" }),
  );
});

test("a filter is applied with Enter and is in the address", async () => {
  const shown = await page();
  await shown.fill("#user_id", user);
  await shown.press("#user_id", "Enter");
  await says(shown, "#total", "4 events");
  assert.equal(new URL(shown.url()).searchParams.get("user_id"), user);
  await shown.fill("#src_service", "auth");
  await shown.click("button:has-text('Filter')");
  await says(shown, "#total", "1 event");
  await shown.goBack();
  await says(shown, "#total", "4 events");
  assert.equal(await shown.inputValue("#src_service"), "");
  await shown.click("button:has-text('Reset')");
  await shown.waitForFunction(() => location.search === "");
  assertClean(shown);
});

test("types and services are suggested", async () => {
  await until(async () => (await facets()).event_type.includes(type), `${type} was seen`);
  const shown = await page();
  const suggested = (field) =>
    shown.$$eval(`#${field}-values option`, (options) => options.map((option) => option.value));
  await shown.waitForSelector(`#event_type-values option[value="${type}"]`, { state: "attached" });
  assert.ok((await suggested("src_service")).includes("auth"));
});

test("times are of the visitor's zone, or of UTC", async () => {
  const shown = await page(of(user));
  await says(shown, "#zone-own", "Europe/Berlin (UTC+0");
  assert.equal((await rows(shown))[0][0], "2024-06-10 20:30:00");
  await shown.selectOption("#zone", "utc");
  await says(shown, ".opener", "2024-06-10 18:30:00");
  await shown.fill("#from", "2024-06-10T06:30:00");
  await shown.dispatchEvent("#from", "change");
  await says(shown, "#total", "3 events");
  await shown.fill("#to", "2024-06-10T18:30:00");
  await shown.dispatchEvent("#to", "change");
  await says(shown, "#total", "2 events");
  assert.equal(new URL(shown.url()).searchParams.get("from"), "2024-06-10T06:30:00Z");
  assertClean(shown);
});

test("a preset shows the last hours", async () => {
  await report(document({ user_id: user, timestamp: new Date(Date.now() - 60_000).toISOString() }));
  const shown = await page(of(user));
  await shown.selectOption("#range", "1h");
  await says(shown, "#total", "1 event");
  assert.equal(new URL(shown.url()).searchParams.get("range"), "1h");
  // A link to it has the times, because an hour later it would be another hour.
  await shown.click("#copy-link");
  await says(shown, "#copy-link", "Copied");
  const link = new URL(await shown.evaluate(() => navigator.clipboard.readText()));
  assert.match(link.searchParams.get("from"), /^20\d\d-/);
  assert.equal(link.searchParams.get("range"), null);
});

test("a range that ends before it begins is explained", async () => {
  const shown = await page(`${of(user)}&from=2024-06-11T00:00:00Z&to=2024-06-10T00:00:00Z`);
  await says(shown, "#problem", "400");
  assert.equal(await shown.getAttribute("#from", "aria-invalid"), "true");
  assert.deepEqual(await rows(shown), []);
  await listed(shown);
});
