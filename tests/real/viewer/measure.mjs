// Measures the page of a log that has many events. Prints the median and the slowest of its runs:
//
//     MODULES=~/.cache/audit-log/viewer node tests/real/viewer/measure.mjs http://127.0.0.1:5001

import { launch, listed, open, rows, says } from "./page.mjs";

const [, , log = "http://127.0.0.1:5001"] = process.argv;
const RUNS = 11;
const options = { base: `${log}/` };

const browser = await launch();

/** Runs a measurement several times. The first run warms up and does not count. */
async function measured(name, run) {
  const times = [];
  for (let number = 0; number <= RUNS; number += 1) times.push(await run(number));
  const sorted = times.slice(1).sort((left, right) => left - right);
  const shown = (milliseconds) => `${Math.round(milliseconds)} ms`.padStart(8);
  console.log(`${name.padEnd(46)}${shown(sorted[Math.floor(RUNS / 2)])}${shown(sorted.at(-1))}`);
}

/** The milliseconds from a filter to the moment when its list, or its counts, are drawn. */
function applied(page, field, value, until) {
  return page.evaluate(
    ([field, value, until]) =>
      new Promise((resolve) => {
        const input = document.querySelector(`#${field}`);
        const shown = document.querySelector(until);
        const begin = performance.now();
        const done = () => requestAnimationFrame(() => resolve(performance.now() - begin));
        const observer = new MutationObserver(() => {
          const isBusy = shown.textContent === "Counting…";
          if (!isBusy) observer.disconnect(), done();
        });
        observer.observe(shown, { childList: true, attributes: true, subtree: true });
        input.value = value;
        input.dispatchEvent(new Event("change"));
      }),
    [field, value, until],
  );
}

const first = await open(browser, "", options);
await says(first, "#total", "event");
console.log(`${await first.textContent("#total")}\n`);
console.log(`${"".padEnd(46)}  median slowest`);
const values = (await rows(first)).map(([, user, service, type]) => ({
  user_id: user,
  src_service: service,
  event_type: type,
}));

await measured("first contentful paint", async () => {
  const page = await open(browser, "", options);
  const paint = await page.evaluate(
    () => performance.getEntriesByName("first-contentful-paint")[0].startTime,
  );
  await page.context().close();
  return paint;
});
await measured("the list is complete", async () => {
  const begin = performance.now();
  const page = await open(browser, "", options);
  await page.waitForSelector("tr.event");
  const time = performance.now() - begin;
  await page.context().close();
  return time;
});
for (const field of ["user_id", "event_type", "src_service"]) {
  for (const [what, until] of [
    ["list", "#rows"],
    ["total", "#total"],
    ["histogram", "#bars"],
  ]) {
    await measured(`filter by ${field}: ${what}`, async (number) => {
      await first.goto(`${log}/`);
      await listed(first);
      return applied(first, field, values[number % values.length][field], until);
    });
  }
}
await browser.close();
