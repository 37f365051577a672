// Signed checkpoints: https://c2sp.org/tlog-checkpoint in a https://c2sp.org/signed-note.

import { base64Bytes, hex, isEqual, sha256 } from "./merkle.js";

const ED25519 = 1;
const TEXT = new TextEncoder();

/**
 * A checkpoint, as its text says it.
 * @returns {{origin: string, size: number, root: Uint8Array, text: string, signatures: string[]}}
 */
export function read(note) {
  const end = note.lastIndexOf("\n\n");
  if (end < 0) throw new Error("the checkpoint has no signature");
  const text = note.slice(0, end + 1);
  const [origin, size, root] = text.split("\n");
  if (!/^(0|[1-9]\d{0,15})$/.test(size ?? "")) throw new Error("the checkpoint has no size");
  const signatures = note.slice(end + 2).split("\n").filter(Boolean);
  return { origin, size: Number(size), root: base64Bytes(root ?? ""), text, signatures };
}

/**
 * Whether one of the keys of this origin signed a checkpoint.
 * @returns {Promise<"signed"|"unsigned"|"no key"|"unsupported">}
 */
export async function check(checkpoint, keys) {
  const known = await Promise.all(keys.map(readKey));
  const ofLog = known.filter(({ name }) => name === checkpoint.origin);
  if (ofLog.length === 0) return "no key";
  for (const key of ofLog) {
    const verdict = await isSigned(checkpoint, key);
    if (verdict !== "unsigned") return verdict;
  }
  return "unsigned";
}

/** A verifier key: its name, its id in hex, and the type of the key before its bytes in base64. */
async function readKey(text) {
  const [name, id, ...rest] = text.trim().split("+");
  const bytes = base64Bytes(rest.join("+"));
  const expected = await sha256(TEXT.encode(`${name}\n`), bytes);
  const isKnown = bytes[0] === ED25519 && bytes.length === 33;
  if (!isKnown || hex(expected.slice(0, 4)) !== id) {
    throw new Error("the verifier key that this page was given is not one of Ed25519");
  }
  return { name, id: expected.slice(0, 4), bytes: bytes.slice(1) };
}

async function isSigned(checkpoint, key) {
  let imported;
  try {
    imported = await crypto.subtle.importKey("raw", key.bytes, "Ed25519", false, ["verify"]);
  } catch {
    return "unsupported";
  }
  for (const line of checkpoint.signatures) {
    const [dash, name, text] = line.split(" ");
    if (dash !== "—" || name !== key.name) continue;
    const signature = base64Bytes(text ?? "");
    if (!isEqual(signature.slice(0, 4), key.id)) continue;
    const signed = TEXT.encode(checkpoint.text);
    const isValid = await crypto.subtle.verify("Ed25519", imported, signature.slice(4), signed);
    if (isValid) return "signed";
  }
  return "unsigned";
}
