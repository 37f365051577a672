import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { before, test } from "node:test";

import { assertClean, browser, document, of, report, says, someone } from "./page.mjs";

const page = browser();
const user = someone();
const COUNT = 105;
// A page of a download has 1,000 events. Here it has fewer, so that there are several.
const PER_PAGE = 40;

before(async () => {
  const all = Array.from({ length: COUNT }, (_, number) =>
    document({ user_id: user, timestamp: `2024-09-01T00:00:00.${number + 1000}Z`, app_data: `a\n"b"` }),
  );
  await report(...all);
});

const inSmallPages = (shown) =>
  shown.route("**/events?*per_page=1000*", (route) => {
    route.continue({ url: route.request().url().replace("per_page=1000", `per_page=${PER_PAGE}`) });
  });

async function downloaded(shown, ...choices) {
  await shown.click("#download");
  for (const choice of choices) await shown.check(`input[value=${choice}]`);
  const saving = shown.waitForEvent("download");
  await shown.click("#download-start");
  const file = await saving;
  await says(shown, "#download-progress", "Saved ");
  return [file.suggestedFilename(), await readFile(await file.path(), "utf8")];
}

test("all that match are downloaded as CSV", async () => {
  const shown = await page(of(user), { prepare: inSmallPages });
  await says(shown, "#total", "105 events");
  const [name, table] = await downloaded(shown, "all", "csv");
  assert.match(name, /^audit-log-[\d-]+\.csv$/);
  const lines = table.trimEnd().split("\r\n");
  assert.equal(lines.length, COUNT + 1);
  assert.equal(lines.filter((line) => line.startsWith("id,timestamp,")).length, 1);
  assert.equal(new Set(lines).size, lines.length);
  await says(shown, "#download-progress", "Saved 105 events.");
  assertClean(shown);
});

test("all that match are downloaded as NDJSON", async () => {
  const shown = await page(of(user), { prepare: inSmallPages });
  const [, text] = await downloaded(shown, "all", "ndjson");
  const events = text.trimEnd().split("\n").map(JSON.parse);
  assert.equal(new Set(events.map(({ id }) => id)).size, COUNT);
});

test("the page that is shown can be downloaded alone", async () => {
  const shown = await page(of(user), { prepare: inSmallPages });
  await shown.click('.pager >> nth=0 >> button:has-text("Older")');
  await shown.waitForFunction(() => location.search.includes("after="));
  await shown.waitForFunction(() => !document.querySelector("#events").hasAttribute("aria-busy"));
  const ids = await shown.$$eval("tr.event", (rows) => rows.map((row) => row.dataset.id));
  const [, text] = await downloaded(shown, "page", "ndjson");
  assert.deepEqual(text.trimEnd().split("\n").map((line) => JSON.parse(line).id), ids);
});

test("a download that fails saves nothing", async () => {
  const prepare = async (shown) => {
    await inSmallPages(shown);
    await shown.route("**/events?*cursor=*", (route) => {
      const isDownload = route.request().headers().accept === "text/csv";
      return isDownload ? route.fulfill({ status: 400, json: { error: "No." } }) : route.fallback();
    });
  };
  const shown = await page(of(user), { prepare });
  await shown.click("#download");
  await shown.click("#download-start");
  await says(shown, "#download-progress", "Nothing was saved. The log responded with 400: No.");
});
