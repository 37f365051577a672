import assert from "node:assert/strict";
import { test } from "node:test";

import { assertClean, browser, document, of, report, rows, says, someone } from "./page.mjs";

const page = browser();

const MARKUP = [
  '<img src=x onerror="alert(1)">',
  "<script>alert(1)</script>",
  "</pre></table><style>*{display:none}</style><h1>owned</h1>",
  "javascript:alert(1)",
  '"><svg onload=alert(1)>',
  "{{constructor.constructor('alert(1)')()}}",
  "__proto__",
];

/** Shows all that a row has. */
async function opened(user, base) {
  const shown = await page(of(user), base);
  await shown.click("tr.event td.service");
  await says(shown, "pre", "user_id");
  return shown;
}

test("markup of an event is text", async () => {
  const user = someone();
  for (const markup of MARKUP) {
    const members = { event_type: markup, src_service: markup, invariant_data: { [markup]: markup } };
    await report(document({ user_id: user, ...members, app_data: markup, [`x${markup}`]: [markup] }));
  }
  const shown = await page(of(user));
  const all = await rows(shown);
  assert.deepEqual(all.map((cells) => cells[3]).sort(), [...MARKUP].sort());
  for (const opener of await shown.$$(".opener")) await opener.click();
  for (const verbatim of await shown.$$("button:has-text('Verbatim')")) await verbatim.click();
  await shown.waitForFunction(() => document.querySelectorAll("pre.verbatim").length === 7);
  assert.equal(await shown.locator("main img, main script, main style, main h1, main svg:not(#bars)").count(), 0);
  // It is a suggestion and a filter, too.
  await shown.fill("#event_type", MARKUP[0]);
  await shown.press("#event_type", "Enter");
  await says(shown, "#total", "1 event");
  assertClean(shown);
});

test("marks that turn or hide text are shown", async () => {
  const user = `${someone()}\u200d\u202enimda\u2066x\u200b `;
  await report(document({ user_id: user, event_type: "a\u0000b\nc", app_data: "\u202egpj.exe" }));
  const shown = await opened(user);
  const cells = (await rows(shown))[0];
  assert.match(cells[1], /^user-[0-9a-f]+ZWJRLOnimdaLRIxZWSPSP$/);
  assert.equal(cells[3], "aU+0000bLFc");
  const dom = await shown.textContent("main table.events");
  assert.doesNotMatch(dom, /[\u202a-\u202e\u2066-\u2069\u200b\u200d]/);
  await says(shown, "pre", "RLOgpj.exe");
  // What is copied is the event itself.
  await shown.click("button:has-text('Copy the document')");
  await says(shown, "#announcement", "copied");
  assert.ok((await shown.evaluate(() => navigator.clipboard.readText())).includes("\u202egpj.exe"));
  assertClean(shown);
});

test("text from right to left keeps its neighbours in place", async () => {
  const user = someone();
  await report(document({ user_id: user, event_type: "שלום (1)", src_service: "مرحبا", app_data: "שלום" }));
  const shown = await opened(user);
  const directions = await shown.$$eval("tr.event bdi", (texts) =>
    texts.map((text) => getComputedStyle(text).direction),
  );
  assert.deepEqual(directions.slice(0, 3), ["ltr", "rtl", "rtl"]);
  assert.deepEqual((await rows(shown))[0].slice(2, 4), ["مرحبا", "שלום (1)"]);
});

test("joined emoji and scripts stay as they are written", async () => {
  const type = "👩\u200d💻 می\u200cخواهم ❤\ufe0f";
  const user = someone();
  await report(document({ user_id: user, event_type: type }));
  const shown = await page(of(user));
  assert.equal((await rows(shown))[0][3], type);
});

test("a string of 200 KB does not stop the page", async () => {
  const user = someone();
  const long = "\\\"é".repeat(40_000) + "END";
  await report(document({ user_id: user, app_data: long }));
  const shown = await opened(user);
  await shown.click("button.link:has-text('Show all 120,003 characters')");
  await says(shown, "pre", 'END"');
  await shown.click("button:has-text('Verbatim')");
  await shown.click("button.link:has-text('Show all')");
  await says(shown, "pre", 'END"}');
  assertClean(shown);
});

test("62 levels open", async () => {
  const user = someone();
  const deep = "[".repeat(61) + '"deepest"' + "]".repeat(61);
  await report(document({ user_id: user, app_data: 1 }).replace('"app_data":1', `"app_data":${deep}`));
  const shown = await opened(user);
  await says(shown, "pre", '"deepest"');
  await says(shown, ".proof.ok", "unchanged");
  assertClean(shown);
});

test("odd numbers and times keep their spelling", async () => {
  const user = someone();
  const sent = document({ user_id: user, timestamp: "2016-12-31t23:59:60.5z" }).replace(
    '{"amount":10}',
    '{"amount": 1E+2, "big": 123456789012345678901234567890, "zero": -0.0}',
  );
  await report(sent);
  const shown = await opened(user);
  await says(shown, "pre", '"amount": 1E+2');
  await says(shown, "pre", "123456789012345678901234567890");
  await says(shown, "tr.event td.summary", "zero: -0.0");
  await says(shown, ".facts", "2016-12-31t23:59:60.5z");
  await says(shown, ".proof.ok", "unchanged");
});
