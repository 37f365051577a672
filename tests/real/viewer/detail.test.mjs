import assert from "node:assert/strict";
import { test } from "node:test";

import { assertClean, browser, document, of, report, says, sealed, someone } from "./page.mjs";

const page = browser();

const clipboard = (shown) => shown.evaluate(() => navigator.clipboard.readText());

test("a row opens to the document as it was sent", async () => {
  const user = someone();
  const sent = `{"user_id": "${user}",\n "event_type":"paid", "timestamp": "2024-03-01T12:00:00.25+01:00",
    "src_service": "billing", "invariant_data": {"amount": 10.00, "name": "J\\u00f6rg"}, "app_data": null}`;
  const [id] = await report(sent);
  await sealed(id);
  const shown = await page(of(user));
  await shown.click("tr.event");
  await says(shown, ".proof", "Sealed as entry ");
  await says(shown, ".proof", ", unchanged. The signature of localhost/log is valid.");
  await says(shown, "pre", '"amount": 10.00');
  await says(shown, "pre", '"Jörg"');
  await says(shown, ".facts", "2024-03-01T12:00:00.25+01:00");
  await shown.click("button:has-text('Verbatim')");
  await says(shown, "pre", sent);

  await shown.click("button:has-text('Copy the document')");
  await says(shown, "#announcement", "copied");
  assert.equal(await clipboard(shown), sent);
  await shown.click("button:has-text('Copy with ID')");
  await shown.waitForFunction(async () => (await navigator.clipboard.readText()).startsWith('{"id"'));
  const served = await (await fetch(`${process.env.LOG}/events/${id}`)).text();
  assert.equal(await clipboard(shown), served);

  // The second click on the row closes it.
  await shown.click("tr.event");
  assert.equal(await shown.locator("tr.opened").count(), 0);
  assertClean(shown);
});

test("the proof can be saved", async () => {
  const user = someone();
  const [id] = await report(document({ user_id: user }));
  await sealed(id);
  const shown = await page(of(user));
  await shown.click("tr.event");
  const saving = shown.waitForEvent("download");
  await shown.click("button:has-text('Save the proof')");
  assert.equal((await saving).suggestedFilename(), `${id}.tlog-proof`);
});

test("a new event is not sealed yet, and then it is", async () => {
  const user = someone();
  await report(document({ user_id: user }));
  let isSealed = false;
  const notSealed = {
    status: 404,
    headers: { "retry-after": "1" },
    json: { error: "The newest checkpoint does not have this event.", code: "not_sealed" },
  };
  const prepare = (shown) =>
    shown.route("**/proof", (route) => (isSealed ? route.continue() : route.fulfill(notSealed)));
  const shown = await page(of(user), { prepare });
  await shown.click("tr.event");
  await says(shown, ".proof.wait", "Not sealed yet");
  isSealed = true;
  await says(shown, ".proof.ok", "unchanged");
});

test("an opened event is in the address", async () => {
  const user = someone();
  const [older] = await report(document({ user_id: user, timestamp: "2024-01-01T00:00:00Z" }));
  await report(document({ user_id: user, timestamp: "2024-01-02T00:00:00Z" }));
  const shown = await page(of(user));
  await shown.click(`tr[data-id="${older}"]`);
  assert.equal(new URL(shown.url()).searchParams.get("event"), older);
  const other = await page(new URL(shown.url()).search);
  await other.waitForSelector(`#detail-${older}`);
  // It is shown in front of a list that does not have it.
  const alone = await page(`${of(someone())}&event=${older}`);
  await says(alone, "#linked-title", "Linked event of 2024-01-01 01:00:00");
  await says(alone, "#linked pre", user);
  await alone.click("#linked >> button:has-text('Close')");
  assert.equal(new URL(alone.url()).searchParams.get("event"), null);
});

test("related events are one click away", async () => {
  const [user, other] = [someone(), someone()];
  await report(
    document({ user_id: user, timestamp: "2024-08-01T12:00:00Z", event_type: `t-${user}` }),
    document({ user_id: other, timestamp: "2024-08-01T12:14:59Z" }),
    document({ user_id: other, timestamp: "2024-08-01T12:15:00Z" }),
    document({ user_id: user, timestamp: "2024-08-02T12:00:00Z" }),
  );
  const shown = await page(`?event_type=t-${user}`);
  await shown.click("tr.event");
  await shown.click("button:has-text('15 minutes around')");
  await says(shown, "#total", "2 events");
  await shown.click(`tr.event:has-text("${user}")`);
  await shown.click("button:has-text('Only this user')");
  await says(shown, "#total", "1 event");
  await shown.selectOption("#range", "");
  await says(shown, "#total", "2 events");
});
