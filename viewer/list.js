// The list of events: a table whose rows open.

import { detail } from "./detail.js";
import { byId, element } from "./dom.js";
import { line } from "./text.js";
import { dateAndTime } from "./time.js";

const MAX_CELL = 200;
const MAX_SUMMARY = 240;

/** Shows events, and opens them. */
export class List {
  /** @param {(id: string) => object} page What a row needs of the page: see detail.js. */
  constructor(page) {
    this.page = page;
    this.body = byId("rows");
    this.open = new Map();
    this.body.addEventListener("keydown", (event) => this.#move(event));
  }

  /** Shows these events instead of the ones before. */
  show(events) {
    this.closeAll();
    this.body.replaceChildren(...events.map((event) => this.#row(event)));
  }

  /**
   * Adds rows of new events, each at its place, and keeps at most so many.
   * @returns {number} How many are new.
   */
  merge(events, isBefore, maxRows) {
    let added = 0;
    for (const event of events) {
      const rows = [...this.body.querySelectorAll("tr.event")];
      if (rows.some((row) => row.dataset.id === event.id)) continue;
      const next = rows.find((row) => isBefore(event.id, row.dataset.id));
      const row = this.#row(event);
      row.classList.add("new");
      this.body.insertBefore(row, next ?? null);
      added += 1;
    }
    const rows = [...this.body.querySelectorAll("tr.event")];
    for (const row of rows.slice(maxRows)) {
      this.close(row.dataset.id);
      row.remove();
    }
    return added;
  }

  /** Puts a row in front that says what is wrong with an entry of the log. */
  addFinding(entry) {
    const of = `the event of entry ${(entry.index + 1).toLocaleString("en")}`;
    const sentence =
      entry.problem === "missing"
        ? `Removed: ${of} is gone.`
        : `Changed: ${of} is not what was sealed.`;
    const strong = element("strong", {}, `✗ ${sentence}`);
    const text = element("p", { class: "proof bad" }, strong, " ID ", entry.id);
    this.body.prepend(row({ class: "finding" }, cell({ colspan: "5" }, text)));
  }

  /** The IDs in the order of the rows. */
  ids() {
    return [...this.body.querySelectorAll("tr.event")].map((row) => row.dataset.id);
  }

  closeAll() {
    for (const id of [...this.open.keys()]) this.close(id);
  }

  close(id) {
    const opened = this.open.get(id);
    if (!opened) return;
    opened.abort.abort();
    opened.row.remove();
    opened.button.setAttribute("aria-expanded", "false");
    this.open.delete(id);
  }

  #row(event) {
    const { isUtc } = this.page();
    const opener = element(
      "button",
      {
        type: "button",
        class: "opener",
        "aria-expanded": "false",
        "aria-controls": `detail-${event.id}`,
        title: "Open or close this event",
      },
      dateAndTime(event.millis, isUtc),
    );
    const made = row(
      { class: "event", "data-id": event.id },
      cell({ class: "time" }, opener),
      cell({ class: "user", "data-label": "User" }, value(event.user)),
      cell({ class: "service", "data-label": "Service" }, value(event.service)),
      cell({ class: "type", "data-label": "Type" }, value(event.type)),
      cell({ class: "summary" }, line(event.summary, MAX_SUMMARY)),
    );
    made.addEventListener("click", (click) => {
      const isSelecting = String(getSelection()) !== "";
      const isOpener = click.target.closest("button") === opener;
      if (isOpener || !isSelecting) this.#toggle(event, made, opener);
    });
    return made;
  }

  #toggle(event, made, opener) {
    if (this.open.has(event.id)) {
      this.close(event.id);
      this.page().onclose(event.id);
      return;
    }
    const abort = new AbortController();
    const page = { ...this.page(), signal: abort.signal };
    const opened = row(
      { class: "opened", id: `detail-${event.id}` },
      cell({ colspan: "5" }, detail(event, page)),
    );
    made.after(opened);
    opener.setAttribute("aria-expanded", "true");
    this.open.set(event.id, { row: opened, button: opener, abort });
    page.onopen(event.id);
  }

  /** Opens the row of an event. Returns whether there is one. */
  openId(id) {
    const made = this.body.querySelector(`tr.event[data-id="${CSS.escape(id)}"]`);
    if (!made) return false;
    if (!this.open.has(id)) made.querySelector("button").click();
    return true;
  }

  /** Arrows go from row to row, and Escape closes a row. */
  #move(event) {
    if (event.key === "Escape") {
      this.#closeAround(event.target);
      return;
    }
    if (!event.target.classList.contains("opener")) return;
    const openers = [...this.body.querySelectorAll(".opener")];
    const at = openers.indexOf(event.target);
    const places = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: openers.length - 1 };
    const place = places[event.key];
    if (place === undefined) return;
    event.preventDefault();
    openers[place]?.focus();
  }

  #closeAround(target) {
    const opened = target.closest("tr.opened");
    const id = opened ? opened.id.slice("detail-".length) : target.closest("tr")?.dataset.id;
    const button = this.open.get(id)?.button;
    if (!button) return;
    button.click();
    button.focus();
  }
}

// The roles are those that the elements have. A browser forgets them where CSS lays the rows out
// anew, as on a phone.
function row(attributes, ...cells) {
  return element("tr", { role: "row", ...attributes }, ...cells);
}

function cell(attributes, ...content) {
  return element("td", { role: "cell", ...attributes }, ...content);
}

function value(text) {
  return text === null ? element("span", { class: "quiet" }, "none") : line(text, MAX_CELL);
}
