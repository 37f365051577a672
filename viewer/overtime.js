// What the histogram counts: the range of a state, or of all events, in parts of a nice length.

import * as api from "./api.js";
import { millisOfId, bars, barsWithin, instant } from "./time.js";
import { FIELDS, activeFilters, bounds } from "./state.js";

const MINUTE = 60_000;

/**
 * The counts of a state's range.
 * @returns {Promise<{buckets: object[], isExact: boolean, field: string}>} `field` is the filter by
 *   which they are counted, because the log counts by one at a time.
 */
export async function counts(state, now, signal) {
  const field = activeFilters(state)[0] ?? "";
  const filter = field ? { [field]: state[field] } : {};
  const range = await rangeOf(state, filter, now, signal);
  if (!range) return { buckets: [], isExact: true, field };
  const counted = await api.histogram({ ...filter, ...range }, signal);
  return { buckets: counted.buckets, isExact: counted.total_exact, field };
}

async function rangeOf(state, filter, now, signal) {
  const given = bounds(state, now);
  const isUtc = state.zone === "utc";
  if (given.from && given.to) {
    const from = Date.parse(given.from);
    const to = Date.parse(given.to);
    // The list says what is wrong with a range that ends before it begins.
    return to > from ? { ...given, buckets: barsWithin(from, to) } : null;
  }
  const limits = { ...filter };
  if (given.from) limits.from = given.from;
  if (given.to) limits.to = given.to;
  const [oldest, newest] = await Promise.all([
    given.from ? Date.parse(given.from) : millisAtEnd(limits, "asc", signal),
    given.to ? Date.parse(given.to) : millisAtEnd(limits, "desc", signal),
  ]);
  if (oldest === null) return null;
  // A range that ends now is shown up to now, also if its end is empty.
  const last = given.to ? newest : Math.max((newest ?? 0) + 1, state.range ? now : 0);
  if (last <= oldest) return null;
  const nice = bars(oldest, Math.max(last, oldest + MINUTE), isUtc);
  const from = given.from || instant(nice.from);
  const to = given.to || instant(given.from ? oldest + lengthOf(nice, oldest) : nice.to);
  return { from, to, buckets: Math.min(100, nice.count) };
}

/** From a bound that was given up to the end of the last bar. */
function lengthOf(nice, oldest) {
  return nice.to - Math.max(nice.from, oldest);
}

async function millisAtEnd(filter, order, signal) {
  const { events } = await api.list({ ...filter, order, per_page: 1, total: "false" }, signal);
  const id = events[0] && /"id":"([0-9a-f-]{36})"/.exec(events[0])[1];
  return id ? millisOfId(id) : null;
}

/** A sentence about bars that count other events than the list has. */
export function note(state, counted) {
  if (activeFilters(state).length < 2) {
    return counted.isExact ? "" : "The last seconds are not counted completely.";
  }
  const names = { user_id: "user", src_service: "service", event_type: "type" };
  const others = FIELDS.filter((name) => state[name] && name !== counted.field);
  const left = others.map((name) => names[name]).join(" and ");
  return `The bars count by one filter only: by ${names[counted.field]}, of every ${left}.`;
}
