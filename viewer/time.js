// Times: as an auditor reads them, as the log takes them, and the ranges to choose from.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The ranges to choose from: how far each goes back from now. */
export const PRESETS = new Map([
  ["15m", 15 * MINUTE],
  ["1h", HOUR],
  ["24h", DAY],
  ["7d", 7 * DAY],
  ["30d", 30 * DAY],
  ["90d", 90 * DAY],
]);

/** How an ID begins: the milliseconds since 1970 in 12 hex digits (UUIDv7). */
export function millisOfId(id) {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

/** The name of the visitor's zone, and its offset at an instant. */
export function zoneName(isUtc, millis) {
  if (isUtc) return "UTC";
  const { timeZone } = new Intl.DateTimeFormat().resolvedOptions();
  return `${timeZone ?? "local time"} (UTC${offset(millis)})`;
}

/** An instant with its date: 2026-03-01 12:00:00.250 */
export function dateAndTime(millis, isUtc) {
  const { date, time, fraction } = parts(millis, isUtc);
  return `${date} ${time}${fraction}`;
}

/** The same, cut where a step of this length begins: 2026-03-01 12:00 */
export function roughly(millis, step, isUtc) {
  const { date, time, fraction } = parts(millis, isUtc);
  if (step >= DAY && time === "00:00:00") return date;
  if (step >= MINUTE) return `${date} ${time.slice(0, 5)}`;
  return step >= SECOND ? `${date} ${time}` : `${date} ${time}${fraction}`;
}

/** What stands at a mark of the axis: the date, or the time within a day. */
export function axisLabel(millis, step, isUtc) {
  const { date, time, fraction } = parts(millis, isUtc);
  if (step >= 28 * DAY) return date.slice(0, 7);
  if (step >= DAY) return date;
  if (time === "00:00:00") return date.slice(5);
  if (step >= MINUTE) return time.slice(0, 5);
  return step >= SECOND ? time : `${time}${fraction}`;
}

/** The value of an input of the type datetime-local. */
export function inputValue(text, isUtc) {
  if (!text) return "";
  const millis = Date.parse(text);
  if (Number.isNaN(millis)) return "";
  const { date, time } = parts(millis, isUtc);
  return `${date}T${time}`;
}

/** The instant that such an input names, in the form of RFC 3339. Empty for an empty input. */
export function ofInput(value, isUtc) {
  if (!value) return "";
  const millis = Date.parse(isUtc ? `${value}Z` : value);
  return Number.isNaN(millis) ? "" : instant(millis);
}

/** An instant as the log takes it. */
export function instant(millis) {
  return new Date(millis).toISOString().replace(".000Z", "Z");
}

// The log divides a range into at most 100 parts. The alignment of a range adds one or two.
const MAX_BARS = 90;
const DEFAULT_BARS = 60;
const STEPS = [
  ...[1, 5, 10, 50, 100, 500],
  ...[1, 5, 15].map((seconds) => seconds * SECOND),
  ...[1, 5, 15, 30].map((minutes) => minutes * MINUTE),
  ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR),
  ...[1, 2, 7, 14, 28, 91, 365].map((days) => days * DAY),
];

/** The shortest step of a clock or calendar that divides a time into at most so many parts. */
export function niceStep(length, maxParts) {
  const fits = (step) => length / step <= maxParts;
  return STEPS.find(fits) ?? Math.ceil(length / maxParts / (365 * DAY)) * 365 * DAY;
}

/** Bars of a nice length, from the one with the first instant to the one with the last. */
export function bars(first, last, isUtc) {
  const step = niceStep(last - first, MAX_BARS);
  const from = floorTo(first, step, isUtc);
  const count = Math.max(1, Math.ceil((last - from) / step));
  return { from, to: from + count * step, count };
}

/** How many bars a given range has. It is divided at nice places if it can be. */
export function barsWithin(from, to) {
  const count = (to - from) / niceStep(to - from, MAX_BARS);
  return Number.isInteger(count) && count > 0 ? count : DEFAULT_BARS;
}

/** The start of the step in which an instant lies, by the clock of the zone. */
export function floorTo(millis, step, isUtc) {
  const shift = isUtc ? 0 : -new Date(millis).getTimezoneOffset() * MINUTE;
  const floor = Math.floor((millis + shift) / step) * step - shift;
  return Math.max(0, floor);
}

/** Where the marks of the axis are. A change of the offset within the range is followed. */
export function ticks(from, to, maxTicks, isUtc) {
  const step = niceStep(to - from, maxTicks);
  const found = [];
  for (let place = floorTo(from, step, isUtc); place < to; place += step) {
    const adjusted = floorTo(place + step / 2, step, isUtc);
    if (adjusted >= from && adjusted < to) found.push(adjusted);
  }
  return { step, places: [...new Set(found)] };
}

function parts(millis, isUtc) {
  const shift = isUtc ? 0 : -new Date(millis).getTimezoneOffset() * MINUTE;
  const text = new Date(millis + shift).toISOString();
  const split = text.indexOf("T");
  const fraction = text.slice(split + 9, -1);
  return {
    date: text.slice(0, split),
    time: text.slice(split + 1, split + 9),
    fraction: fraction === ".000" ? "" : fraction,
  };
}

function offset(millis) {
  const minutes = -new Date(millis).getTimezoneOffset();
  const sign = minutes < 0 ? "−" : "+";
  const pad = (number) => String(Math.floor(Math.abs(number))).padStart(2, "0");
  return `${sign}${pad(minutes / 60)}:${pad(minutes % 60)}`;
}
