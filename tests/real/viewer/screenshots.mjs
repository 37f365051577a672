// Takes the screenshots of docs/viewer.md, of a log that `audit-log demo` has filled:
//
//     MODULES=~/.cache/audit-log/viewer node tests/real/viewer/screenshots.mjs http://127.0.0.1:5001

import { launch, listed, open, says } from "./page.mjs";

const [, , log = "http://127.0.0.1:5001"] = process.argv;
const DOCS = new URL("../../../docs/", import.meta.url).pathname;
const SIZE = { width: 1280, height: 860 };

const browser = await launch();
const options = { base: `${log}/`, viewport: SIZE };

const light = await open(browser, "", { ...options, colorScheme: "light" });
await says(light, "#total", "event");
// The busiest night of the demo.
await light.mouse.move(753, 280);
await light.screenshot({ path: `${DOCS}viewer-light.png` });

// An opened event, with its proof, among those of its user.
const dark = await open(browser, "", { ...options, colorScheme: "dark" });
await dark.click("tr.event >> nth=3");
await dark.click("button:has-text('Only this user')");
await listed(dark);
await dark.click("tr.event");
await says(dark, ".proof.ok", "unchanged");
await dark.locator(".opener").first().focus();
await dark.screenshot({ path: `${DOCS}viewer-dark.png` });

await browser.close();
