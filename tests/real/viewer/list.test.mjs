import assert from "node:assert/strict";
import { before, test } from "node:test";

import { assertClean, browser, document, listed, of, open, report, rows, says, someone, text } from "./page.mjs";

const page = browser();
const user = someone();

// 120 events, one a minute, from 00:00 to 01:59 in UTC.
before(async () => {
  const minute = (number) => new Date(Date.UTC(2024, 4, 1, 0, number)).toISOString();
  const all = Array.from({ length: 120 }, (_, number) =>
    document({
      user_id: user,
      timestamp: minute(number),
      event_type: number % 2 ? "odd" : "even",
      invariant_data: { number },
    }),
  );
  await report(...all);
});

const numbers = async (shown) => (await rows(shown)).map((cells) => Number(/number: (\d+)/.exec(cells[4])[1]));

test("a list is newest first, with its total", async () => {
  const shown = await page(of(user));
  const [first] = await rows(shown);
  assert.deepEqual(first, ["2024-05-01 03:59:00", user, "billing", "odd", "number: 119"]);
  await says(shown, "#total", "120 events");
  assert.equal((await numbers(shown)).length, 50);
  assertClean(shown);
});

test("pages are turned both ways", async () => {
  const shown = await page(of(user));
  const turn = async (name) => {
    await shown.click(`.pager >> nth=0 >> button:has-text("${name}")`);
    await listed(shown);
    const all = await numbers(shown);
    return [all[0], all.at(-1)];
  };
  assert.deepEqual(await turn("Older"), [69, 20]);
  assert.deepEqual(await turn("Older"), [19, 0]);
  assert.equal(await shown.isDisabled('.pager >> nth=0 >> button:has-text("Older")'), true);
  assert.deepEqual(await turn("Newer"), [69, 20]);
  assert.deepEqual(await turn("Newer"), [119, 70]);
  assert.deepEqual(await turn("Oldest"), [49, 0]);
  assert.deepEqual(await turn("Newer"), [99, 50]);
  assert.deepEqual(await turn("Newer"), [119, 70]);
  assertClean(shown);
});

test("a page is where it was after Back and in another browser", async () => {
  const shown = await page(of(user));
  await shown.click('.pager >> nth=0 >> button:has-text("Older")');
  await listed(shown);
  const linked = shown.url();
  await shown.goBack();
  await says(shown, "tr.event td:last-child", "number: 119");
  const other = await page(new URL(linked).search);
  assert.deepEqual((await numbers(other)).slice(0, 1), [69]);
});

test("the oldest event can come first", async () => {
  const shown = await page(of(user));
  await shown.click("#order");
  await says(shown, "tr.event td:last-child", "number: 0");
  assert.equal(await shown.getAttribute("#time-header", "aria-sort"), "ascending");
  await shown.click('.pager >> nth=0 >> button:has-text("Newest")');
  await says(shown, "tr.event td:last-child", "number: 70");
});

test("several filters find what is far apart", async () => {
  const shown = await page(`${of(user)}&event_type=even`);
  await says(shown, "#total", "60 events");
  assert.deepEqual((await numbers(shown)).slice(0, 2), [118, 116]);
  await says(shown, "#histogram-note", "The bars count by one filter only: by user, of every type.");
});

test("a list without events says so", async () => {
  const shown = await page(of(someone()));
  await says(shown, "#empty", "No event matches.");
  assert.equal(await text(shown, "#total"), "0 events");
  assertClean(shown);
});

test("audit-log view shows the same list", async () => {
  const shown = await page(of(user), { base: process.env.VIEW });
  await says(shown, "#total", "120 events");
  await shown.click("tr.event");
  await says(shown, ".proof", "unchanged");
  assertClean(shown);
});
