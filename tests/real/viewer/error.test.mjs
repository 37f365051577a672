import assert from "node:assert/strict";
import { test } from "node:test";

import { assertClean, browser, document, of, report, rows, says, someone } from "./page.mjs";

const page = browser();
const busy = {
  status: 503,
  json: { error: "The list took too long.", code: "temporarily_unavailable", request_id: "r-4711" },
};

test("an error of the service is explained, and tried again", async () => {
  const user = someone();
  await report(document({ user_id: user }));
  let fails = true;
  const prepare = (shown) =>
    shown.route("**/events?*", (route) => (fails ? route.fulfill(busy) : route.continue()));
  const shown = await page(of(user), { prepare });
  await says(shown, "#problem", "The log responded with 503: The list took too long. Request r-4711.");
  assert.deepEqual(await rows(shown), []);
  assert.equal(await shown.getAttribute("#problem", "role"), "alert");
  fails = false;
  await shown.click("button:has-text('Try again')");
  await says(shown, "#total", "1 event");
  await shown.waitForFunction(() => document.querySelector("#problem").textContent === "");
  assertClean(shown);
});

test("a log that does not respond is explained", async () => {
  const prepare = (shown) => shown.route("**/events?*", (route) => route.abort());
  const shown = await page("", { prepare });
  await says(shown, "#problem", "The log does not respond.");
});

test("a page that was left does not show its events", async () => {
  const [slow, quick] = [someone(), someone()];
  await report(document({ user_id: slow }), document({ user_id: quick }));
  let release;
  const held = new Promise((resolve) => (release = resolve));
  const prepare = (shown) =>
    shown.route(`**/events?user_id=${slow}*`, async (route) => {
      await held;
      await route.continue().catch(() => {});
    });
  const shown = await page("", { prepare });
  await shown.fill("#user_id", slow);
  await shown.press("#user_id", "Enter");
  await shown.fill("#user_id", quick);
  await shown.press("#user_id", "Enter");
  await says(shown, "#total", "1 event");
  release();
  await says(shown, "tr.event", quick);
  assert.equal((await rows(shown)).length, 1);
  assertClean(shown);
});
