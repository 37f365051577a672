// What the page shows, as it is in its address. So a finding can be linked, and Back works.

import { PRESETS, bars, instant } from "./time.js";

/** The fields by which events are filtered, in the order in which they are shown. */
export const FIELDS = ["user_id", "src_service", "event_type"];

// `after` and `before` are IDs: the page of the list begins right after the one, or ends right
// before the other, in the order of the list.
const NAMES = [...FIELDS, "from", "to", "range", "order", "after", "before", "event", "zone", "live"];

/** What an address says. A value that it does not have is empty. */
export function read(search) {
  const parameters = new URLSearchParams(search);
  const state = Object.fromEntries(NAMES.map((name) => [name, parameters.get(name) ?? ""]));
  if (!PRESETS.has(state.range) || state.from || state.to) state.range = "";
  if (state.order !== "asc") state.order = "";
  if (state.zone !== "utc") state.zone = "";
  return state;
}

/** The query of an address. It begins with a question mark, unless it is empty. */
export function write(state) {
  const parameters = new URLSearchParams();
  for (const name of NAMES) if (state[name]) parameters.set(name, state[name]);
  const query = parameters.toString();
  return query && `?${query}`;
}

/** The same with the first page of the list, and closed events. */
export function fromStart(state, changes) {
  return { ...state, after: "", before: "", event: "", ...changes };
}

/** The bounds of the range, as the log takes them. A range that ends now has no upper bound. */
export function bounds(state, now) {
  if (!state.range) return { from: state.from, to: state.to };
  const { from } = bars(now - PRESETS.get(state.range), now, state.zone === "utc");
  return { from: instant(from), to: "" };
}

/** The parameters that select events. */
export function selection(state, now) {
  const filters = FIELDS.map((name) => [name, state[name]]);
  const selected = [...filters, ...Object.entries(bounds(state, now))];
  return Object.fromEntries(selected.filter(([, value]) => value));
}

/** The filters that are set. */
export function activeFilters(state) {
  return FIELDS.filter((name) => state[name]);
}
