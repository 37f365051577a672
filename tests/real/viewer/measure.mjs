// Measures the page of a log that has many events. Prints the median and the slowest of its runs:
//
//     MODULES=~/.cache/audit-log/viewer node tests/real/viewer/measure.mjs http://127.0.0.1:5001

import { launch, listed, open, rows, says } from "./page.mjs";

const [, , log = "http://127.0.0.1:5001"] = process.argv;
const RUNS = Number(process.env.RUNS ?? 11);
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

/** Opens the page again, and asks it for a time since the beginning of the navigation. */
async function reopened(time) {
  await first.goto(`${log}/`);
  await listed(first);
  return first.evaluate(time);
}

await first.addInitScript(() => {
  new MutationObserver((_, observer) => {
    if (!document.querySelector("tr.event")) return;
    globalThis.firstRow = performance.now();
    observer.disconnect();
  }).observe(document, { childList: true, subtree: true });
});
await measured("first contentful paint", () =>
  reopened(() => performance.getEntriesByName("first-contentful-paint")[0].startTime),
);
await measured("the first list", () => reopened(() => globalThis.firstRow));
await measured("the first list, total and histogram", () => reopened(() => performance.now()));
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
