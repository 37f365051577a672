import assert from "node:assert/strict";
import { test } from "node:test";

import { browser, document, of, report, says, sealed, someone } from "./page.mjs";

const page = browser();

/** Changes a stored event as an administrator could, through the engine. */
async function dynamodb(operation, body) {
  const response = await fetch(process.env.ENGINE, {
    method: "POST",
    headers: {
      "content-type": "application/x-amz-json-1.0",
      "x-amz-target": `DynamoDB_20120810.${operation}`,
      "x-amz-date": "20240101T000000Z",
      authorization:
        "AWS4-HMAC-SHA256 Credential=local/20240101/us-east-1/dynamodb/aws4_request, " +
        "SignedHeaders=host;x-amz-date;x-amz-target, Signature=0",
    },
    body: JSON.stringify({ TableName: "EventsTable", ...body }),
  });
  assert.equal(response.status, 200, await response.text());
}

const key = (id) => ({ shard: { S: id.slice(-1) }, id: { S: id } });

function change(id, name, value) {
  return dynamodb("UpdateItem", {
    Key: key(id),
    UpdateExpression: "SET #name = :value",
    ExpressionAttributeNames: { "#name": name },
    ExpressionAttributeValues: { ":value": { S: value } },
  });
}

/** An event that was recorded long before the newest sealed one. */
const old = async (id) => change(id, "recorded_at", "2024-01-01T00:00:00.000Z");

test("a changed event has a red line", async () => {
  const user = someone();
  const [id] = await report(document({ user_id: user }));
  await sealed(id);
  await change(id, "event", document({ user_id: user, invariant_data: { amount: 99 } }));
  await old(id);
  const shown = await page(of(user));
  await shown.click("tr.event");
  await says(shown, ".proof.bad", "Changed: ");
  await says(shown, "pre", "99");
});

test("a service that lies about a changed event is found", async () => {
  const user = someone();
  const [id] = await report(document({ user_id: user }));
  await sealed(id);
  // The service still serves the proof of the original.
  const original = await (await fetch(`${process.env.LOG}/events/${id}/proof`)).text();
  await change(id, "event", document({ user_id: user, invariant_data: { amount: 99 } }));
  const lies = [
    [original, "the log has another event as entry "],
    [original.replace(/^extra .*\n/m, ""), "this text is not what was sealed as entry "],
  ];
  for (const [proof, verdict] of lies) {
    const prepare = (shown) => shown.route("**/proof", (route) => route.fulfill({ body: proof }));
    const shown = await page(of(user), { prepare });
    await shown.click("tr.event");
    await says(shown, ".proof.bad", `Changed: ${verdict}`);
  }
});

test("a checkpoint that the key did not sign is found", async () => {
  const user = someone();
  const [id] = await report(document({ user_id: user }));
  await sealed(id);
  const original = await (await fetch(`${process.env.LOG}/events/${id}/proof`)).text();
  const forged = original.replace(/(localhost\/log )(.{8})(.)/, (_, name, start, character) => {
    return name + start + (character === "A" ? "B" : "A");
  });
  assert.notEqual(forged, original);
  const cases = [
    [forged, ".proof.bad", "Forged: the key of localhost/log did not sign"],
    [original.replace("index ", "index 9"), ".proof.bad", "Changed: "],
    ["c2sp.org/tlog-proof@v1\n", ".proof.bad", "The proof cannot be read"],
  ];
  for (const [proof, selector, verdict] of cases) {
    const prepare = (shown) => shown.route("**/proof", (route) => route.fulfill({ body: proof }));
    const shown = await page(of(user), { prepare });
    await shown.click("tr.event");
    await says(shown, selector, verdict);
  }
});

test("without a key, the page says what it did not check", async () => {
  const user = someone();
  const [id] = await report(document({ user_id: user }));
  await sealed(id);
  const prepare = (shown) =>
    shown.route("**/settings.json", (route) => route.fulfill({ json: { log: "", keys: [] } }));
  const shown = await page(of(user), { prepare });
  await shown.click("tr.event");
  await says(shown, ".proof.ok", "The signature was not checked: the page has no key of this log.");
});
