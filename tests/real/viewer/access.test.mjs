import assert from "node:assert/strict";
import { test } from "node:test";

import { axe, assertClean, browser, document, of, report, rows, says, someone } from "./page.mjs";

const page = browser();
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** What axe-core finds. */
async function violations(shown) {
  await shown.addScriptTag({ path: axe });
  const { violations } = await shown.evaluate((rules) => axe.run({ runOnly: rules }), RULES);
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join("\n")}`);
}

async function withEvents() {
  const user = someone();
  await report(
    ...[1, 2, 3].map((number) => document({ user_id: user, timestamp: `2024-10-0${number}T00:00:00Z` })),
  );
  return user;
}

for (const colorScheme of ["light", "dark"]) {
  for (const width of [1280, 360]) {
    test(`axe-core finds nothing, ${colorScheme}, ${width} pixels wide`, async () => {
      const user = await withEvents();
      const options = { colorScheme, viewport: { width, height: 900 }, bypassCSP: true };
      const shown = await page(of(user), options);
      assert.deepEqual(await violations(shown), []);
      await shown.click("tr.event");
      await says(shown, ".proof.ok", "unchanged");
      await shown.click("summary");
      assert.deepEqual(await violations(shown), []);
      const isWider = await shown.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      assert.equal(isWider, false, "the page scrolls sideways");
      await shown.click("#download");
      assert.deepEqual(await violations(shown), []);
    });
  }
}

test("a problem and a finding have no violation", async () => {
  const refused = { status: 400, json: { error: "No.", code: "invalid_parameter", fields: [{ field: "user_id", problem: "is odd" }] } };
  const prepare = (shown) => shown.route("**/events?*", (route) => route.fulfill(refused));
  for (const colorScheme of ["light", "dark"]) {
    const shown = await page("?user_id=x", { prepare, colorScheme, bypassCSP: true });
    await says(shown, "#user_id-problem", "This is odd.");
    assert.deepEqual(await violations(shown), []);
  }
});

test("everything is reached by keyboard", async () => {
  const user = await withEvents();
  const shown = await page();
  const focused = () => shown.evaluate(() => document.activeElement.id || document.activeElement.className);
  const tabTo = async (name) => {
    for (let press = 0; press < 40; press += 1) {
      if ((await focused()) === name) return;
      await shown.keyboard.press("Tab");
    }
    assert.fail(`Tab does not reach ${name}`);
  };
  await shown.keyboard.press("Tab");
  assert.equal(await focused(), "skip");
  for (const name of ["live", "copy-link", "download", "user_id"]) await tabTo(name);
  await shown.keyboard.type(user);
  await shown.keyboard.press("Enter");
  await says(shown, "#total", "3 events");
  for (const name of ["src_service", "event_type", "range", "from", "to", "zone", "chart", "order", "opener"]) {
    await tabTo(name);
  }
  await shown.keyboard.press("ArrowDown");
  await shown.keyboard.press("Enter");
  await says(shown, "tr.opened .proof", "unchanged");
  assert.equal(await shown.$eval("tr.opened", (row) => row.previousElementSibling.rowIndex), 2);
  await shown.keyboard.press("Tab");
  await shown.keyboard.press("Escape");
  assert.equal(await shown.locator("tr.opened").count(), 0);
  assert.equal(await focused(), "opener");
  await shown.keyboard.press("End");
  await shown.keyboard.press("ArrowUp");
  await shown.keyboard.press("Home");
  assert.equal(await shown.evaluate(() => document.activeElement.closest("tr").rowIndex), 1);
  assert.equal((await rows(shown)).length, 3);
  assertClean(shown);
});

test("what changes is said", async () => {
  const user = await withEvents();
  const shown = await page();
  await shown.fill("#user_id", user);
  await shown.press("#user_id", "Enter");
  await says(shown, "#announcement[role=status]", "3 events. 3 on this page.");
});
