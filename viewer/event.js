// An event, from its text.

import { member, parse, spelling, stringOf } from "./json.js";
import { millisOfId } from "./time.js";

// How an event begins, as the API sends it. The document is what follows.
const ID = /^\{"id":"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})","recorded":/;
const MAX_SUMMARY = 300;
const OWN = new Set(["id", "recorded", "user_id", "event_type", "timestamp", "src_service"]);

/**
 * The parts of an event's text. Throws an error if it is none.
 * @param {string} raw The text, as the API sends it.
 */
export function read(raw) {
  const id = ID.exec(raw)?.[1];
  if (!id) throw new SyntaxError("This is not an event of an audit log.");
  const root = parse(raw);
  const recordedNode = member(raw, root, "recorded");
  const recorded = JSON.parse(spelling(raw, recordedNode));
  const value = (name) => plain(raw, member(raw, root, name));
  return {
    id,
    raw,
    root,
    recorded,
    // The text as it was sent: what is behind `recorded`, in braces.
    document: `{${raw.slice(recordedNode.end + 1)}`,
    millis: millisOfId(id),
    timestamp: value("timestamp"),
    user: value("user_id"),
    type: value("event_type"),
    service: value("src_service"),
    summary: summary(raw, root),
  };
}

/** A value without the quotes of a string. `null` for null and for a member that is missing. */
function plain(raw, node) {
  if (!node) return null;
  if (node.kind === "string") return stringOf(raw, node);
  const text = spelling(raw, node);
  return text === "null" ? null : text;
}

/** What else the event has, in one line. */
function summary(raw, root) {
  const parts = [];
  let length = 0;
  for (const { key, value } of root.members) {
    const name = stringOf(raw, key);
    if (OWN.has(name)) continue;
    const isData = name === "invariant_data" || name === "app_data";
    for (const part of described(raw, isData ? "" : name, value)) {
      if (length > MAX_SUMMARY) return parts.join("  ");
      parts.push(part);
      length += part.length;
    }
  }
  return parts.join("  ");
}

function described(raw, name, node) {
  if (node.kind === "object" && name === "") {
    return node.members.map(({ key, value }) => short(raw, stringOf(raw, key), value));
  }
  const text = short(raw, name, node);
  return text === "null" ? [] : [text];
}

function short(raw, name, node) {
  const label = name && `${name}: `;
  if (node.kind === "object") return `${label}{…}`;
  if (node.kind === "array") return `${label}[${node.items.length}]`;
  if (node.kind !== "string") return label + spelling(raw, node);
  return label + stringOf(raw, node).slice(0, MAX_SUMMARY);
}
