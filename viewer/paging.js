// Pages of the list by cursor, in both directions. A cursor is an ID, so a page stays where it is
// while other events are written.

import * as api from "./api.js";
import { read } from "./event.js";
import { activeFilters } from "./state.js";

export const PER_PAGE = 50;
// With several filters, a page of the API can be short. So many are asked for before the person is.
const MAX_REQUESTS = 6;
const FIRST_ID = "00000000-0000-7000-8000-000000000000";
const LAST_ID = "ffffffff-ffff-7fff-bfff-ffffffffffff";

/** The order of a state's list. */
export function orderOf(state) {
  return state.order || "desc";
}

function opposite(order) {
  return order === "asc" ? "desc" : "asc";
}

/** The cursor at the end of a list: the page before it is the last one. */
export function endOf(order) {
  return order === "asc" ? LAST_ID : FIRST_ID;
}

/** Whether an event is in front of another one in the list. */
export function isBefore(order) {
  return order === "asc" ? (left, right) => left < right : (left, right) => left > right;
}

/** The cursor right in front of an event, which begins a page with it. */
export function cursorBefore(id, order) {
  const tail = Number.parseInt(id.slice(-12), 16) + (order === "asc" ? -1 : 1);
  const inRange = Math.max(0, Math.min(0xffffffffffff, tail));
  return id.slice(0, -12) + inRange.toString(16).padStart(12, "0");
}

/**
 * The page that a state names.
 * @param {object} state
 * @param {object} selected The parameters that select events.
 * @returns {Promise<{events: object[], previous: string, next: string, examined: string}>}
 *   The events. The cursors `before` of the previous page and `after` of the next one, empty if there
 *   is none. How far the log was read, if it was not read to the end of a page.
 */
export async function load(state, selected, signal) {
  const isBack = state.before !== "";
  const order = isBack ? opposite(orderOf(state)) : orderOf(state);
  const start = state.before || state.after;
  const { events, next } = await collect({ ...selected, order }, start, signal);
  const isShort = events.length < PER_PAGE;
  if (isBack && isShort && !next) {
    return load({ ...state, before: "", after: "" }, selected, signal);
  }
  if (isBack) events.reverse();
  const first = events[0]?.id ?? state.before;
  const last = events.at(-1)?.id ?? state.before;
  const isEnd = isBack && state.before === endOf(orderOf(state));
  const hasPrevious = isBack ? Boolean(next) : state.after !== "";
  return {
    events,
    previous: hasPrevious ? (isBack && isShort ? next : first || state.after) : "",
    next: isBack ? (isEnd ? "" : last) : next,
    examined: isShort && next && activeFilters(state).length > 1 ? next : "",
  };
}

async function collect(parameters, start, signal) {
  const events = [];
  let next = start;
  for (let request = 0; request < MAX_REQUESTS; request += 1) {
    const missing = PER_PAGE - events.length;
    const cursor = next ? { cursor: next } : {};
    const asked = { ...parameters, ...cursor, per_page: missing, total: "false" };
    const page = await api.list(asked, signal);
    events.push(...page.events.map(read));
    next = page.next ?? "";
    if (!next || events.length >= PER_PAGE) break;
  }
  return { events, next };
}

/** How many events match: { total, isExact }. */
export async function count(selected, signal) {
  const { total, isExact } = await api.list({ ...selected, per_page: 1 }, signal);
  return { total, isExact };
}
