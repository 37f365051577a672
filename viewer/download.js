// Downloads events as CSV or NDJSON: all that match, page after page by cursor, or the page shown.

import * as api from "./api.js";
import { byId } from "./dom.js";
import { save } from "./save.js";
import { announce } from "./status.js";

const PER_PAGE = 1000;
const MAX_ATTEMPTS = 5;
const NUMBER = new Intl.NumberFormat("en");
const FORMATS = {
  csv: { accept: "text/csv", type: "text/csv;charset=utf-8" },
  ndjson: { accept: "application/x-ndjson", type: "application/x-ndjson" },
};

/** The dialog. */
export class Download {
  /** @param {() => object} selected What matches, what the page shows, and how many there are. */
  constructor(selected) {
    this.selected = selected;
    this.dialog = byId("download-dialog");
    byId("download").addEventListener("click", () => this.#open());
    byId("download-close").addEventListener("click", () => this.dialog.close());
    byId("download-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#start();
    });
    this.dialog.addEventListener("close", () => this.abort?.abort());
  }

  #open() {
    const { total, isExact, shown } = this.selected();
    const count = total === null ? "" : ` (${isExact ? "" : "at least "}${NUMBER.format(total)})`;
    byId("download-all-label").textContent = `All events that match${count}`;
    byId("download-page-label").textContent = `The events on this page (${NUMBER.format(shown)})`;
    byId("download-progress").textContent = "";
    byId("download-start").disabled = false;
    this.dialog.showModal();
  }

  async #start() {
    const data = new FormData(byId("download-form"));
    const format = data.get("format");
    const isPage = data.get("what") === "page";
    this.abort = new AbortController();
    byId("download-start").disabled = true;
    try {
      const { parts, count } = await this.#read(FORMATS[format], isPage);
      save(`audit-log-${fileTime()}.${format}`, parts, FORMATS[format].type);
      this.#say(`Saved ${NUMBER.format(count)} events.`);
      announce(`Saved ${NUMBER.format(count)} events.`);
    } catch (error) {
      // A part of the events would look like all of them, so nothing is saved.
      const why = error.name === "AbortError" ? "It was cancelled." : error.message;
      this.#say(`Nothing was saved. ${why}`);
    } finally {
      byId("download-start").disabled = false;
    }
  }

  async #read({ accept }, isPage) {
    const { all, page, shown, total } = this.selected();
    const isCsv = accept === "text/csv";
    const parts = [];
    let count = 0;
    let remaining = isPage ? shown : Infinity;
    let cursor = isPage ? page : {};
    for (;;) {
      const per_page = Math.max(1, Math.min(PER_PAGE, remaining));
      const response = await this.#get({ ...all, ...cursor, per_page, total: "false" }, accept);
      const next = api.nextCursor(response);
      const text = await response.text();
      const events = isCsv ? records(text) - 1 : text.split("\n").length - 1;
      // Each page of a table has the names in its first line.
      parts.push(isCsv && parts.length > 0 ? text.slice(text.indexOf("\r\n") + 2) : text);
      count += events;
      remaining -= events;
      const of = total === null || isPage ? "" : ` of ${NUMBER.format(total)}`;
      this.#say(`${NUMBER.format(count)}${of} events…`);
      if (!next || remaining <= 0) return { parts, count };
      cursor = { cursor: next };
    }
  }

  /** A page. A service that has no time is asked again, because a long download must not end there. */
  async #get(parameters, accept) {
    const { signal } = this.abort;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await api.get("events", parameters, { accept, signal });
      } catch (error) {
        const { status } = error;
        const canPass = status === 0 || status === 429 || status >= 500;
        if (!canPass || attempt === MAX_ATTEMPTS) throw error;
        const pause = Math.max(attempt, error.retryAfter ?? 0);
        await new Promise((resolve) => setTimeout(resolve, pause * 1000));
        signal.throwIfAborted();
      }
    }
  }

  #say(text) {
    byId("download-progress").textContent = text;
  }
}

/** How many records a CSV text has. A line feed in quotes is part of a cell. */
function records(text) {
  let count = 0;
  let isQuoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === '"') isQuoted = !isQuoted;
    else if (character === "\n" && !isQuoted) count += 1;
  }
  return count;
}

function fileTime() {
  return new Date().toISOString().slice(0, 19).replaceAll(":", "").replace("T", "-");
}
