import assert from "node:assert/strict";
import { test } from "node:test";

import { assertClean, browser, document, of, report, rows, says, someone } from "./page.mjs";

const page = browser();

test("live mode shows what is sealed from now on", async () => {
  const user = someone();
  await report(document({ user_id: user, event_type: "before" }));
  const shown = await page(of(user));
  await shown.click("#live");
  await says(shown, "#live-status", "Live: 0 new events");
  await report(
    document({ user_id: user, event_type: "newer", timestamp: "2024-03-02T00:00:00Z" }),
    document({ user_id: user, event_type: "older", timestamp: "2024-02-01T00:00:00Z" }),
    document({ user_id: someone() }),
  );
  await says(shown, "#live-status", "Live: 2 new events");
  const types = (await rows(shown)).map((cells) => cells[3]);
  assert.deepEqual(types, ["newer", "before", "older"]);
  await says(shown, "#total", "3 events");
  await shown.click("#live");
  await shown.waitForSelector("#live[aria-pressed=false]");
  await shown.waitForFunction(() => document.querySelector("#live-status").textContent === "");
  assertClean(shown);
});

test("live mode shows that a sealed event is gone or changed", async () => {
  const user = someone();
  const tampered = { index: 4710, id: "018cc251-f400-7000-803e-38b8163c9160", event: null };
  const prepare = (shown) =>
    shown.route("**/events/feed?*", (route) => {
      const isStart = route.request().url().includes("after=0&");
      const events = isStart ? [] : [{ ...tampered, problem: "changed" }, { ...tampered, problem: "missing" }];
      const body = { events, next: 4711, sealed: 4711 };
      route.fulfill({ json: body, headers: { "retry-after": "20" } });
    });
  const shown = await page(of(user), { prepare });
  await shown.click("#live");
  await says(shown, "tr.finding", "entry 4,711");
  const findings = await shown.$$eval("tr.finding", (rows) => rows.map((row) => row.textContent));
  assert.match(findings[0], /^✗ Removed: /);
  assert.match(findings[1], /^✗ Changed: /);
});

test("live mode goes on after a failure", async () => {
  const user = someone();
  let fails = true;
  const prepare = (shown) =>
    shown.route("**/events/feed?*", (route) => (fails ? route.abort() : route.continue()));
  const shown = await page(`${of(user)}&live=1`, { prepare });
  await says(shown, "#live-status", "The log does not respond.");
  fails = false;
  await says(shown, "#live-status", "Live: 0 new events");
});
