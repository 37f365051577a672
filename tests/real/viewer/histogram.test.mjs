import assert from "node:assert/strict";
import { before, test } from "node:test";

import { assertClean, browser, document, of, report, says, someone, text } from "./page.mjs";

const page = browser();
const user = someone();
const day = "&from=2024-07-01T00:00:00Z&to=2024-07-02T00:00:00Z&zone=utc";

// An event in each hour of a day, and ten in the last one.
before(async () => {
  const hour = (number) => `2024-07-01T${String(number).padStart(2, "0")}:10:00Z`;
  const hours = [...Array(24).keys(), ...Array(9).fill(23)];
  await report(...hours.map((number) => document({ user_id: user, timestamp: hour(number) })));
});

/** The place of a share of the chart. */
async function at(shown, share) {
  const { x, y, width, height } = await shown.locator("#chart").boundingBox();
  return [x + width * share, y + height / 2];
}

test("bars count the events of the range", async () => {
  const shown = await page(of(user) + day);
  await shown.click("summary");
  await shown.waitForSelector("#counts tbody tr");
  const counted = await shown.$$eval("#counts td", (cells) => cells.map((cell) => Number(cell.textContent)));
  assert.equal(counted.reduce((sum, count) => sum + count, 0), 33);
  assert.equal(await text(shown, "#most"), "10");
  assertClean(shown);
});

test("a brush narrows the range, and Back widens it", async () => {
  const shown = await page(of(user) + day);
  await shown.mouse.move(...(await at(shown, 0.251)));
  await shown.mouse.down();
  await shown.mouse.move(...(await at(shown, 0.4)));
  await shown.mouse.move(...(await at(shown, 0.499)));
  await says(shown, "#bar", "2024-07-01 06:00 to 2024-07-01 12:00: 6 events");
  await shown.mouse.up();
  await says(shown, "#total", "6 events");
  const { searchParams } = new URL(shown.url());
  assert.equal(searchParams.get("from"), "2024-07-01T06:00:00Z");
  assert.equal(searchParams.get("to"), "2024-07-01T12:00:00Z");
  await shown.goBack();
  await says(shown, "#total", "33 events");
  assertClean(shown);
});

test("the keyboard selects bars, too", async () => {
  const shown = await page(of(user) + day);
  await shown.focus("#chart");
  await shown.press("#chart", "End");
  assert.match(await shown.getAttribute("#chart", "aria-valuetext"), /to 2024-07-02/);
  await shown.press("#chart", "Shift+PageDown");
  assert.match(await shown.getAttribute("#chart", "aria-valuetext"), /: 1\d events$/);
  await shown.press("#chart", "Escape");
  assert.equal(await shown.getAttribute("#chart", "aria-valuetext"), "nothing selected");
  await shown.press("#chart", "Home");
  await shown.press("#chart", "Shift+ArrowRight");
  await shown.press("#chart", "Shift+ArrowRight");
  await shown.press("#chart", "Shift+ArrowRight");
  await shown.press("#chart", "Enter");
  await says(shown, "#total", "2 events");
  assert.equal(new URL(shown.url()).searchParams.get("to"), "2024-07-01T02:00:00Z");
});

test("the range of all events begins and ends with them", async () => {
  const shown = await page(`${of(user)}&zone=utc`);
  await shown.click("summary");
  await shown.waitForSelector("#counts tbody tr");
  const times = await shown.$$eval("#counts th[scope=row]", (cells) => cells.map((cell) => cell.textContent));
  assert.match(times[0], /^2024-07-01 00:00/);
  assert.match(times.at(-1), /2024-07-01 23:30$/);
  await shown.click("#zoom-out", { force: true });
  assert.equal(await shown.isDisabled("#zoom-out"), true);
});
