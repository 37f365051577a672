// Whether an event is the one that was sealed. The service is not trusted here: the hash is computed
// from the text of the event that the page shows.

import * as api from "./api.js";
import { read as readEvent } from "./event.js";
import { base64, base64Bytes, entryOf, isEqual, leafHash, rootOf } from "./merkle.js";
import { check, read as readNote } from "./note.js";

// Sealing takes some 15 seconds. A missing proof is a finding only after this time.
const SEALED_AFTER_SECONDS = 90;
const HEADER = "c2sp.org/tlog-proof@v1";
const NUMBER = new Intl.NumberFormat("en");

/**
 * @typedef {object} Verdict
 * @property {"ok"|"wait"|"unknown"|"bad"} kind
 * @property {string} text A sentence for the person.
 * @property {string} [leaf] The leaf hash of the event, in base64.
 * @property {string} [proof] The proof, as the service sent it.
 * @property {number} [pause] After how many seconds to ask again.
 */

/**
 * Checks an event against the log.
 * @param {ReturnType<typeof readEvent>} event
 * @param {string[]} keys The verifier keys of the log.
 * @param {() => number} now The clock.
 * @returns {Promise<Verdict>}
 */
export async function verdict(event, keys, now, signal) {
  if (!globalThis.crypto?.subtle) {
    const text = "Not checked: a browser computes hashes on a page of this machine or over HTTPS only.";
    return { kind: "unknown", text };
  }
  const entry = await entryOf(event);
  const leaf = await leafHash(entry);
  const shown = { leaf: base64(leaf) };
  let proof;
  try {
    proof = await api.proof(event.id, signal);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return { ...shown, ...(await withoutProof(error, event, now, signal)) };
  }
  try {
    return { ...shown, proof, ...(await checked(proof, entry, leaf, keys)) };
  } catch (error) {
    return bad({ ...shown, proof }, `The proof cannot be read: ${error.message}.`);
  }
}

/** What a proof shows about an entry. */
export async function checked(text, entry, leaf, keys) {
  const { index, path, note, extra } = readProof(text);
  const checkpoint = readNote(note);
  const { size, origin } = checkpoint;
  const place = `entry ${NUMBER.format(index + 1)} of ${NUMBER.format(size)}`;
  if (extra && !isEqual(extra, entry)) {
    return bad({}, `Changed: the log has another event as ${place}.`);
  }
  const root = index < size ? await rootOf(leaf, index, size, path) : null;
  if (!root || !isEqual(root, checkpoint.root)) {
    return bad({}, `Changed: this text is not what was sealed as ${place}.`);
  }
  const sealed = `Sealed as ${place}, unchanged.`;
  switch (await check(checkpoint, keys)) {
    case "signed":
      return { kind: "ok", text: sealed, detail: `The signature of ${origin} is valid.` };
    case "unsigned":
      return bad({}, `Forged: the key of ${origin} did not sign the checkpoint of this proof.`);
    case "unsupported":
      return {
        kind: "ok",
        text: sealed,
        detail: "This browser cannot check its signature (Ed25519).",
      };
    default:
      return { kind: "ok", text: sealed, detail: withoutKey(origin, keys) };
  }
}

function withoutKey(origin, keys) {
  if (keys.length === 0) return "The signature was not checked: the page has no key of this log.";
  return `The signature was not checked: the page has no key that is named ${origin}.`;
}

/** The parts of a https://c2sp.org/tlog-proof. */
export function readProof(text) {
  const end = text.indexOf("\n\n");
  const lines = text.slice(0, end).split("\n");
  if (end < 0 || lines.shift() !== HEADER) throw new Error("it is not a tlog-proof");
  const extra = lines[0]?.startsWith("extra ") ? base64Bytes(lines.shift().slice(6)) : null;
  const index = /^index (0|[1-9]\d{0,15})$/.exec(lines.shift() ?? "");
  if (!index) throw new Error("it has no index");
  const path = lines.map(base64Bytes);
  return { extra, index: Number(index[1]), path, note: text.slice(end + 2) };
}

/** What it means that the service has no proof. */
async function withoutProof(error, event, now, signal) {
  if (error.code === "not_found") {
    return bad({}, "Removed: the log has no event with this ID any more.");
  }
  if (error.code !== "not_sealed") {
    return { kind: "unknown", text: `Not checked. ${error.message}` };
  }
  const age = (now() - Date.parse(event.recorded.at)) / 1000;
  if (age < SEALED_AFTER_SECONDS) {
    const text = "Not sealed yet. Sealing takes some 15 seconds after an event was recorded.";
    return { kind: "wait", text, pause: Math.max(1, error.retryAfter) };
  }
  if (await isBehindTheLog(event, signal)) {
    const text = "Changed: the log sealed events that are newer than this one, but not this text.";
    return bad({}, text);
  }
  const minutes = NUMBER.format(Math.floor(age / 60));
  const why = "sealing is behind or has stopped";
  const text = `Not sealed, ${minutes} minutes after it was recorded: ${why}.`;
  return bad({}, text);
}

/** Whether the newest sealed event was recorded clearly later than this one. */
async function isBehindTheLog(event, signal) {
  try {
    const { sealed } = await api.feed(0, 1, signal);
    if (sealed === 0) return false;
    const { entries } = await api.feed(sealed - 1, 1, signal);
    const newest = entries.at(-1)?.event;
    if (!newest) return true;
    const later = Date.parse(readEvent(newest).recorded.at) - Date.parse(event.recorded.at);
    return later > SEALED_AFTER_SECONDS * 1000;
  } catch {
    return false;
  }
}

function bad(shown, text) {
  return { ...shown, kind: "bad", text };
}
