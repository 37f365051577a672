// The routes of the log.

import { parse, spelling, member, stringOf } from "./json.js";

// The page may be at a path of its own, and the log is at the same one.
const BASE = new URL("./", document.baseURI);

/** A request that failed, in a sentence for a person. */
export class Problem extends Error {
  constructor(message, details = {}) {
    super(message);
    const none = { status: 0, code: "", requestId: "", fields: [], retryAfter: 0 };
    Object.assign(this, none, details);
  }
}

/** A GET. Throws a [`Problem`], or an AbortError. */
export async function get(path, parameters = {}, { accept = "application/json", signal } = {}) {
  const url = new URL(path, BASE);
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  let response;
  try {
    response = await fetch(url, { headers: { accept }, cache: "no-store", signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The log does not respond. Check that it is running, then try again.");
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

async function problemOf(response) {
  const body = await response.json().catch(() => ({}));
  const text = body.error ?? body.message ?? "The response has no explanation.";
  return new Problem(`The log responded with ${response.status}: ${text}`, {
    status: response.status,
    code: body.code,
    requestId: body.request_id,
    fields: body.fields ?? [],
    retryAfter: seconds(response),
  });
}

/** What Retry-After asks for, in seconds. */
export function seconds(response) {
  const value = Number(response.headers.get("retry-after"));
  return Number.isFinite(value) ? value : 0;
}

/** The cursor of the next page, from the header Link. Empty on the last page. */
export function nextCursor(response) {
  const link = /<([^>]*)>; rel="next"/.exec(response.headers.get("link") ?? "");
  return link ? (new URL(link[1], BASE).searchParams.get("cursor") ?? "") : "";
}

/**
 * A page of the list.
 * @returns {Promise<{events: string[], next: string|null, total: number|null, isExact: boolean}>}
 *   The texts of the events, as they were sent.
 */
export async function list(parameters, signal) {
  const response = await get("events", parameters, { signal });
  const text = await response.text();
  const page = parse(text);
  const events = member(text, page, "events");
  const { items = [] } = events ?? {};
  const plain = (name) => JSON.parse(spelling(text, member(text, page, name)));
  return {
    events: items.map((item) => spelling(text, item)),
    next: plain("next_cursor"),
    total: plain("total"),
    isExact: plain("total_exact") === true,
  };
}

/** The text of one event. */
export async function event(id, signal) {
  const response = await get(`events/${encodeURIComponent(id)}`, {}, { signal });
  return response.text();
}

/** Counts in equal parts of a range: { buckets: [{ from, to, count }], total_exact }. */
export async function histogram(parameters, signal) {
  return (await get("events/histogram", parameters, { signal })).json();
}

/** The types and services that were seen. */
export async function facets(signal) {
  return (await get("events/facets", {}, { signal })).json();
}

/**
 * Entries in the order of their sealing.
 * @returns {Promise<{entries: {index: number, id: string, event: string|null, problem: string}[],
 *   next: number, sealed: number, pause: number}>}
 */
export async function feed(after, count, signal) {
  const response = await get("events/feed", { after, per_page: count }, { signal });
  const text = await response.text();
  const page = parse(text);
  const number = (name) => Number(spelling(text, member(text, page, name)));
  return {
    entries: member(text, page, "events").items.map((item) => entry(text, item)),
    next: number("next"),
    sealed: number("sealed"),
    pause: seconds(response),
  };
}

function entry(text, item) {
  const event = member(text, item, "event");
  const problem = member(text, item, "problem");
  return {
    index: Number(spelling(text, member(text, item, "index"))),
    id: stringOf(text, member(text, item, "id")),
    event: event?.kind === "object" ? spelling(text, event) : null,
    problem: problem?.kind === "string" ? stringOf(text, problem) : "",
  };
}

/** The proof of an event, as text. */
export async function proof(id, signal) {
  const path = `events/${encodeURIComponent(id)}/proof`;
  return (await get(path, {}, { accept: "*/*", signal })).text();
}

/** The name of the log, and the keys that sign it. */
export async function settings() {
  return (await get("viewer/settings.json")).json();
}
