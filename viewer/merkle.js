// The hashes of the transparency log (RFC 6962), and the entry that stands for an event. See
// docs/proof.md for the formats.

const TEXT = new TextEncoder();
// What stands for a value that is absent.
const ABSENT = Uint8Array.of(0xff, 0xff, 0xff, 0xff);
const COMMITMENT = "audit-log/event/v1\n";
const ENTRY_VERSION = 1;
const LEAF = 0;
const NODE = 1;

export async function sha256(...parts) {
  const digest = await crypto.subtle.digest("SHA-256", joined(parts));
  return new Uint8Array(digest);
}

/**
 * The 49 bytes that the log has of an event.
 * @param {{id: string, recorded: object, document: string}} event
 */
export async function entryOf(event) {
  const { salt, at, by, from } = event.recorded;
  const values = [salt, at, by, from, event.document].map(lengthPrefixed);
  const commitment = await sha256(TEXT.encode(COMMITMENT), ...values);
  return joined([Uint8Array.of(ENTRY_VERSION), hexBytes(event.id.replaceAll("-", "")), commitment]);
}

export async function leafHash(entry) {
  return sha256(Uint8Array.of(LEAF), entry);
}

/**
 * The root to which the hashes of a proof lead (RFC 9162 §2.1.3.2), or null if their number does not
 * fit.
 */
export async function rootOf(leaf, index, size, path) {
  let place = index;
  let last = size - 1;
  let hash = leaf;
  for (const sibling of path) {
    if (last === 0) return null;
    if (place % 2 === 1 || place === last) {
      hash = await sha256(Uint8Array.of(NODE), sibling, hash);
      while (place % 2 === 0 && place !== 0) {
        place /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      hash = await sha256(Uint8Array.of(NODE), hash, sibling);
    }
    place = Math.floor(place / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 ? hash : null;
}

export function isEqual(left, right) {
  return left.length === right.length && left.every((byte, at) => byte === right[at]);
}

/** The bytes of base64. Throws an error for any other text. */
export function base64Bytes(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

export function base64(bytes) {
  return btoa(String.fromCharCode(...bytes));
}

export function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function joined(parts) {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function hexBytes(text) {
  return Uint8Array.from(text.match(/../g), (pair) => Number.parseInt(pair, 16));
}

function lengthPrefixed(text) {
  if (text === null || text === undefined) return ABSENT;
  const bytes = TEXT.encode(text);
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, bytes.length);
  return joined([length, bytes]);
}
