// Events over time: bars, which are brushed with a pointer or with the keyboard to narrow the range.

import { byId, drawn, element } from "./dom.js";
import { axisLabel, roughly, ticks } from "./time.js";

// The drawing has these units and is stretched to the width of the page.
const WIDTH = 1000;
const HEIGHT = 100;
// A bar of one event is seen next to one of a million.
const MIN_BAR = 3;
const NUMBER = new Intl.NumberFormat("en");
const TICK_WIDTH = 110;

/** The histogram. */
export class Histogram {
  /** @param {(range: {from: string, to: string}) => void} onbrush Narrows the range. */
  constructor(onbrush) {
    this.onbrush = onbrush;
    this.chart = byId("chart");
    this.bars = byId("bars");
    this.axis = byId("axis");
    this.output = byId("bar");
    this.buckets = [];
    // The first and the last bar of the selection.
    this.anchor = null;
    this.at = null;
    this.chart.addEventListener("pointerdown", (event) => this.#begin(event));
    this.chart.addEventListener("pointermove", (event) => this.#drag(event));
    this.chart.addEventListener("pointerup", (event) => this.#end(event));
    this.chart.addEventListener("pointercancel", () => this.#select(null, null));
    this.chart.addEventListener("pointerleave", () => this.#leave());
    this.chart.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Shows buckets as the API counts them. Times are in UTC or in the visitor's zone. */
  show(buckets, isUtc) {
    this.buckets = buckets.map((bucket) => ({
      ...bucket,
      start: Date.parse(bucket.from),
      end: Date.parse(bucket.to),
    }));
    this.isUtc = isUtc;
    this.chart.hidden = buckets.length === 0;
    this.axis.hidden = buckets.length === 0;
    this.anchor = null;
    this.at = null;
    this.isDragging = false;
    this.chart.setAttribute("aria-valuemax", String(Math.max(0, buckets.length - 1)));
    this.chart.setAttribute("aria-valuenow", "0");
    this.#draw();
    this.#drawAxis();
    this.#say();
    byId("counts").replaceChildren();
    byId("counts-table").open = false;
  }

  /** The counts as a table, for those who read numbers. */
  table() {
    const rows = this.buckets.map((bucket) =>
      element(
        "tr",
        {},
        element("th", { scope: "row" }, this.#rangeOf(bucket, bucket)),
        element("td", {}, NUMBER.format(bucket.count)),
      ),
    );
    const head = element(
      "tr",
      {},
      element("th", { scope: "col" }, "Time"),
      element("th", { scope: "col" }, "Events"),
    );
    byId("counts").replaceChildren(element("thead", {}, head), element("tbody", {}, ...rows));
  }

  #draw() {
    const most = Math.max(1, ...this.buckets.map(({ count }) => count));
    const width = WIDTH / Math.max(1, this.buckets.length);
    this.selection = drawn("rect", { class: "selection", y: 0, height: HEIGHT, width: 0 });
    const bars = this.buckets.map(({ count }, at) => {
      const height = count === 0 ? 0 : Math.max(MIN_BAR, (count / most) * HEIGHT);
      const gap = Math.min(1, width / 5);
      return drawn("rect", {
        class: "bar",
        x: at * width,
        y: HEIGHT - height,
        width: width - gap,
        height,
      });
    });
    this.bars.replaceChildren(...bars, this.selection);
    byId("most").textContent = this.buckets.length === 0 ? "" : NUMBER.format(most);
  }

  #drawAxis() {
    this.axis.replaceChildren();
    const first = this.buckets[0];
    if (!first) return;
    const from = first.start;
    const to = this.buckets.at(-1).end;
    const maxTicks = Math.max(2, Math.floor(this.chart.clientWidth / TICK_WIDTH));
    const { step, places } = ticks(from, to, maxTicks, this.isUtc);
    for (const place of places) {
      const share = (place - from) / (to - from);
      if (share > 0.94) continue;
      const label = element("span", {}, axisLabel(place, step, this.isUtc));
      label.style.insetInlineStart = `${share * 100}%`;
      this.axis.append(label);
    }
  }

  #bucketAt(event) {
    const { left, width } = this.bars.getBoundingClientRect();
    const share = (event.clientX - left) / width;
    const at = Math.floor(share * this.buckets.length);
    return Math.max(0, Math.min(this.buckets.length - 1, at));
  }

  #begin(event) {
    if (event.button !== 0 || this.buckets.length === 0) return;
    this.chart.setPointerCapture(event.pointerId);
    this.isDragging = true;
    const at = this.#bucketAt(event);
    this.#select(at, at);
  }

  #drag(event) {
    if (this.buckets.length === 0) return;
    const at = this.#bucketAt(event);
    this.#select(this.isDragging ? this.anchor : at, at, this.isDragging);
  }

  #end(event) {
    if (!this.isDragging) return;
    this.isDragging = false;
    this.#select(this.anchor, this.#bucketAt(event));
    this.#narrow();
  }

  #leave() {
    if (!this.isDragging && document.activeElement !== this.chart) this.#select(null, null);
  }

  /** Arrows move, with Shift they select, Enter narrows and Escape selects nothing. */
  #key(event) {
    const last = this.buckets.length - 1;
    if (last < 0) return;
    const at = this.at ?? -1;
    const leap = Math.max(1, Math.round(this.buckets.length / 10));
    const places = {
      ArrowRight: at + 1,
      ArrowUp: at + 1,
      ArrowLeft: at - 1,
      ArrowDown: at - 1,
      PageUp: at + leap,
      PageDown: at - leap,
      Home: 0,
      End: last,
    };
    if (event.key === "Escape") this.#select(null, null);
    else if (event.key === "Enter" || event.key === " ") this.#narrow();
    else if (event.key in places) {
      const place = Math.max(0, Math.min(last, places[event.key]));
      this.#select(event.shiftKey ? (this.anchor ?? place) : place, place);
    } else return;
    event.preventDefault();
  }

  #narrow() {
    const selected = this.#selected();
    if (!selected) return;
    // The bounds are those of the API, so the list has what the bars count.
    this.onbrush({ from: selected.first.from, to: selected.last.to });
  }

  #selected() {
    if (this.at === null) return null;
    const first = this.buckets[Math.min(this.anchor, this.at)];
    const last = this.buckets[Math.max(this.anchor, this.at)];
    return { first, last };
  }

  #select(anchor, at) {
    this.anchor = anchor;
    this.at = at;
    const width = WIDTH / Math.max(1, this.buckets.length);
    const from = at === null ? 0 : Math.min(anchor, at);
    const to = at === null ? 0 : Math.max(anchor, at) + 1;
    this.selection.setAttribute("x", from * width);
    this.selection.setAttribute("width", (to - from) * width);
    this.chart.setAttribute("aria-valuenow", String(at ?? 0));
    this.#say();
  }

  #say() {
    const selected = this.#selected();
    if (!selected) {
      const hint = "Drag over the bars to narrow the range.";
      this.output.textContent = this.buckets.length === 0 ? "" : hint;
      this.chart.setAttribute("aria-valuetext", "nothing selected");
      return;
    }
    const { first, last } = selected;
    const from = this.buckets.indexOf(first);
    const among = this.buckets.slice(from, this.buckets.indexOf(last) + 1);
    const count = among.reduce((sum, bucket) => sum + bucket.count, 0);
    const events = `${NUMBER.format(count)} ${count === 1 ? "event" : "events"}`;
    const text = `${this.#rangeOf(first, last)}: ${events}`;
    this.output.textContent = text;
    this.chart.setAttribute("aria-valuetext", text);
  }

  #rangeOf(first, last) {
    const step = first.end - first.start;
    const from = roughly(first.start, step, this.isUtc);
    return `${from} to ${roughly(last.end, step, this.isUtc)}`;
  }
}
