// The page. Its address says what it shows, and each change goes through the address: `navigate`.

import * as api from "./api.js";
import { copy } from "./clipboard.js";
import { detail } from "./detail.js";
import { button, byId, element } from "./dom.js";
import { Download } from "./download.js";
import { read as readEvent } from "./event.js";
import { Filters } from "./filters.js";
import { Histogram } from "./histogram.js";
import { List } from "./list.js";
import { follow } from "./live.js";
import { counts, note } from "./overtime.js";
import { PER_PAGE, count, cursorBefore, endOf, isBefore, load, orderOf } from "./paging.js";
import { clearProblem, showProblem } from "./problem.js";
import { FIELDS, bounds, fromStart, read, selection, write } from "./state.js";
import { announce } from "./status.js";
import { line } from "./text.js";
import { dateAndTime, millisOfId } from "./time.js";

const NUMBER = new Intl.NumberFormat("en");
// In live mode, so many rows are kept, and counts are asked for this often at most.
const MAX_LIVE_ROWS = 4 * PER_PAGE;
const RECOUNT_MILLIS = 5000;

const now = () => Date.now();

let state = read(location.search);
// The clock when the range was chosen, so that the pages of a list are of one range.
let chosenAt = now();
// Rows need the keys only when they are opened, so the list does not wait for them.
const settings = api.settings().catch(() => ({ log: "", keys: [] }));
const keys = settings.then((known) => known.keys);
let current = { total: null, isExact: true, events: [] };
let loading = new AbortController();
let linked = new AbortController();
let following = new AbortController();

const filters = new Filters((changes) => navigate(fromStart(state, changes)));
const histogram = new Histogram((range) => navigate(fromStart(state, { ...range, range: "" })));
const list = new List(() => rowContext());
new Download(() => downloaded());

/** Goes to a state. */
function navigate(next, { isPaging = false } = {}) {
  history.pushState(null, "", write(next) || location.pathname);
  state = next;
  refresh({ isPaging });
}

/** Keeps in the address what changes nothing else. */
function keepInAddress(changes) {
  state = { ...state, ...changes };
  history.replaceState(null, "", write(state) || location.pathname);
}

/** Loads what the state names. The counts stay those of the range while its pages are turned. */
async function refresh({ isPaging = false } = {}) {
  loading.abort();
  loading = new AbortController();
  const { signal } = loading;
  stopFollowing();
  if (!isPaging) chosenAt = now();
  filters.show(state, chosenAt);
  clearProblem();
  showLinked(null);
  byId("events").setAttribute("aria-busy", "true");
  try {
    const counted = isPaging ? [] : [showCounts(signal), showHistogram(signal)];
    await Promise.all([showPage(signal), ...counted]);
    announce(summary());
  } catch (error) {
    if (error.name === "AbortError") return;
    // Events of another filter would look like those of this one.
    show({ events: [], previous: "", next: "", examined: "" });
    byId("total").textContent = "";
    byId("empty").hidden = true;
    filters.showProblems(error.fields ?? []);
    showProblem(error, () => refresh());
  } finally {
    if (!signal.aborted) byId("events").removeAttribute("aria-busy");
  }
  followIfLive();
}

async function showPage(signal) {
  const selected = selection(state, chosenAt);
  const page = await load(state, selected, signal);
  show(page);
  if (state.event) await openLinked(state.event, signal);
}

function show(page) {
  current = { ...current, ...page };
  list.show(page.events);
  for (const pager of document.querySelectorAll(".pager")) showPager(pager, page);
  showOrder();
  const empty = byId("empty");
  empty.hidden = page.events.length > 0;
  empty.textContent = page.examined ? "No event on this page matches." : "No event matches.";
  if (!page.examined) return;
  const place = dateAndTime(millisOfId(page.examined), state.zone === "utc");
  empty.hidden = false;
  empty.textContent += ` The log was read as far as ${place}. The next page continues there.`;
}

async function showCounts(signal) {
  byId("total").textContent = "Counting…";
  const counted = await count(selection(state, chosenAt), signal);
  current = { ...current, ...counted };
  byId("total").textContent = totalText();
}

function totalText() {
  const { total, isExact } = current;
  if (total === null) return "";
  const events = total === 1 ? "event" : "events";
  return `${isExact ? "" : "at least "}${NUMBER.format(total)} ${events}`;
}

function summary() {
  const shown = list.ids().length;
  return `${totalText()}. ${NUMBER.format(shown)} on this page.`;
}

async function showHistogram(signal) {
  const counted = await counts(state, chosenAt, signal);
  histogram.show(counted.buckets, state.zone === "utc");
  byId("histogram-note").textContent = note(state, counted);
  byId("zoom-out").disabled = !(state.from || state.to || state.range);
}

// Paging

function showPager(pager, { previous, next }) {
  const isAscending = orderOf(state) === "asc";
  const [newer, older] = ["Newer", "Older"];
  const [back, on] = isAscending ? [older, newer] : [newer, older];
  const [start, end] = isAscending ? ["Oldest", "Newest"] : ["Newest", "Oldest"];
  const turn = (changes) => () => {
    navigate(fromStart(state, { live: "", ...changes }), { isPaging: true });
    byId("events").focus({ preventScroll: true });
    byId("events").scrollIntoView({ block: "nearest" });
  };
  pager.replaceChildren(
    button(`« ${start}`, turn({}), { disabled: !previous }),
    button(`‹ ${back}`, turn({ before: previous }), { disabled: !previous }),
    button(`${on} ›`, turn({ after: next }), { disabled: !next }),
    button(`${end} »`, turn({ before: endOf(orderOf(state)) }), { disabled: !next }),
  );
}

function showOrder() {
  const isAscending = orderOf(state) === "asc";
  byId("order-mark").textContent = isAscending ? "▲ oldest first" : "▼ newest first";
  byId("time-header").setAttribute("aria-sort", isAscending ? "ascending" : "descending");
}

// Opened events

function rowContext() {
  return {
    keys,
    now,
    isUtc: state.zone === "utc",
    narrow: (changes) => navigate(fromStart(state, changes)),
    link: (id) => address({ event: id }),
    onopen: (id) => keepInAddress({ event: id }),
    onclose: (id) => state.event === id && keepInAddress({ event: "" }),
  };
}

/** Opens the event that the address names: its row, or in front of the list. */
async function openLinked(id, signal) {
  if (list.openId(id)) {
    byId(`detail-${id}`).previousElementSibling.scrollIntoView({ block: "start" });
    return;
  }
  const event = readEvent(await api.event(id, signal));
  showLinked(event);
}

function showLinked(event) {
  linked.abort();
  linked = new AbortController();
  byId("linked").hidden = !event;
  if (!event) {
    byId("linked-event").replaceChildren();
    return;
  }
  const title = `Linked event of ${dateAndTime(event.millis, state.zone === "utc")}`;
  byId("linked-title").textContent = title;
  const close = button("Close", () => {
    showLinked(null);
    keepInAddress({ event: "" });
  });
  const context = { ...rowContext(), signal: linked.signal };
  byId("linked-event").replaceChildren(detail(event, context), close);
}

/** The address of what is shown, with fixed times, so that it means the same tomorrow. */
function address(changes) {
  const { from, to } = bounds(state, chosenAt);
  const fixed = { ...state, from, to, range: "", live: "", ...changes };
  return new URL(write(fixed) || location.pathname, location.href).href;
}

function downloaded() {
  const first = list.ids()[0];
  const order = orderOf(state);
  return {
    all: { ...selection(state, chosenAt), order },
    page: first ? { cursor: cursorBefore(first, order) } : {},
    shown: list.ids().length,
    total: current.total,
    isExact: current.isExact,
  };
}

// Live mode

function stopFollowing() {
  following.abort();
  byId("live").setAttribute("aria-pressed", String(Boolean(state.live)));
  byId("live-status").textContent = "";
}

/** Follows the feed once the list is shown, which the feed then continues. */
function followIfLive() {
  if (!state.live) return;
  following = new AbortController();
  const { signal } = following;
  const live = { since: now(), seen: 0, recount: 0 };
  const onstart = async () => {
    await catchUp(signal);
    // What is listed by now is not new.
    live.since = now();
  };
  const onentries = (entries) => arrived(live, entries, signal);
  const onproblem = (why) => showLive(live, why);
  follow(onstart, onentries, onproblem, signal);
}

/** Adds what was recorded between the loading of the list and the start of the feed. */
async function catchUp(signal) {
  const page = await load(state, selection(state, chosenAt), signal);
  list.merge(page.events, isBefore(orderOf(state)), MAX_LIVE_ROWS);
}

function arrived(live, entries, signal) {
  const events = entries.filter((entry) => entry.event).map((entry) => readEvent(entry.event));
  const matching = events.filter(isSelected);
  // The list may have had some before they were sealed.
  live.seen += list.merge(matching, isBefore(orderOf(state)), MAX_LIVE_ROWS);
  for (const entry of entries.filter((entry) => !entry.event)) list.addFinding(entry);
  byId("empty").hidden = list.ids().length > 0;
  showLive(live, "");
  if (matching.length > 0) recount(live, signal);
}

/** Counts again, but not with each event of a busy log. */
function recount(live, signal) {
  if (live.recount) return;
  live.recount = setTimeout(async () => {
    live.recount = 0;
    if (signal.aborted) return;
    chosenAt = now();
    await Promise.all([showCounts(signal), showHistogram(signal)]).catch(() => {});
  }, RECOUNT_MILLIS);
}

function isSelected(event) {
  const { from, to } = bounds(state, chosenAt);
  const values = { user_id: event.user, src_service: event.service, event_type: event.type };
  const isInRange =
    (!from || event.millis >= Date.parse(from)) && (!to || event.millis < Date.parse(to));
  return isInRange && FIELDS.every((name) => !state[name] || state[name] === values[name]);
}

function showLive(live, problem) {
  const since = dateAndTime(live.since, state.zone === "utc").slice(11, 19);
  const events = live.seen === 1 ? "event" : "events";
  const text = problem || `Live: ${NUMBER.format(live.seen)} new ${events} since ${since}`;
  const shown = byId("live-status");
  if (shown.textContent !== text) shown.replaceChildren(line(text));
}

// Controls outside the form

byId("order").addEventListener("click", () => {
  const order = orderOf(state) === "asc" ? "" : "asc";
  navigate(fromStart(state, { order, live: "" }));
});
byId("live").addEventListener("click", () => {
  navigate(fromStart(state, { order: "", live: state.live ? "" : "1" }));
});
byId("zoom-out").addEventListener("click", () => navigate(fromStart(state, zoomedOut())));
byId("copy-link").addEventListener("click", async () => {
  const isCopied = await copy(address({}));
  announce(isCopied ? "The link is copied." : "The browser did not allow the page to copy.");
  byId("copy-link").textContent = isCopied ? "Copied" : "Not copied";
  setTimeout(() => (byId("copy-link").textContent = "Copy a link to this view"), 2000);
});
byId("counts-table").addEventListener("toggle", ({ target }) => target.open && histogram.table());
addEventListener("popstate", () => {
  state = read(location.search);
  refresh();
});

/** The range of the bars and as much again on both sides, up to now. */
function zoomedOut() {
  const { buckets } = histogram;
  if (buckets.length === 0 || !state.from || !state.to) return { from: "", to: "", range: "" };
  const from = buckets[0].start;
  const to = buckets.at(-1).end;
  const more = Math.max(1, to - from);
  return {
    from: new Date(Math.max(0, from - more)).toISOString(),
    to: new Date(to + more).toISOString(),
    range: "",
  };
}

async function start() {
  const suggested = api.facets().then((facets) => filters.suggest(facets));
  const named = settings.then(({ log }) => {
    byId("log").replaceChildren(line(log));
    if (log) document.title = `Audit log of ${log}`;
  });
  // Without suggestions, the filters work as well.
  await Promise.all([refresh(), named, suggested.catch(() => {})]);
}

start();
