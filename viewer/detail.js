// An opened event: its proof, what the service recorded with it, and its document.

import { copyButton } from "./clipboard.js";
import { button, element } from "./dom.js";
import { pretty } from "./pretty.js";
import { verdict } from "./proof.js";
import { save } from "./save.js";
import { announce } from "./status.js";
import { cutTo, line, lines } from "./text.js";
import { dateAndTime, instant } from "./time.js";

// A verbatim text that is longer is cut, with a button that shows all of it.
const MAX_VERBATIM = 20_000;
const AROUND_MILLIS = 15 * 60 * 1000;
// The mark is for those who do not see colours. The sentence is for everyone.
const MARKS = { ok: "✓", wait: "…", unknown: "?", bad: "✗" };

/**
 * The element of an opened event.
 * @param {object} event What event.js read.
 * @param {object} page The promise of the keys, the clock, whether times are in UTC, the signal that
 *   ends checks, `narrow` to select other events, and `link` for the address of an event.
 */
export function detail(event, page) {
  const facts = element("dl", { class: "facts" });
  const proofLine = element("p", { class: "proof wait", role: "status" }, "Checking the proof…");
  addFact(facts, "Timestamp as sent", line(event.timestamp ?? ""));
  addFact(facts, "User", nullable(event.user));
  addFact(facts, "Service", nullable(event.service));
  addFact(facts, "Type", nullable(event.type));
  addFact(facts, "Recorded at", recordedAt(event, page.isUtc));
  addFact(facts, "Recorded by", nullable(event.recorded.by, "not authenticated"));
  addFact(facts, "Recorded from", nullable(event.recorded.from));
  addFact(facts, "ID", element("code", {}, event.id));
  check(event, page, proofLine, facts);
  return element(
    "div",
    { class: "detail" },
    proofLine,
    facts,
    narrowButtons(event, page),
    documentOf(event, page),
  );
}

function addFact(facts, name, ...values) {
  facts.append(element("div", {}, element("dt", {}, name), element("dd", {}, ...values)));
}

function nullable(text, absent = "none") {
  return text === null ? quiet(absent) : line(text);
}

function quiet(text) {
  return element("span", { class: "quiet" }, text);
}

function recordedAt(event, isUtc) {
  const millis = Date.parse(event.recorded.at);
  const late = Math.round((millis - event.millis) / 1000);
  const shown = Number.isNaN(millis) ? event.recorded.at : dateAndTime(millis, isUtc);
  if (!(Math.abs(late) >= 60)) return line(shown);
  const hint = `  (${duration(Math.abs(late))} ${late < 0 ? "before" : "after"} it happened)`;
  return element("span", {}, line(shown), quiet(hint));
}

function duration(seconds) {
  const units = [["day", 86_400], ["hour", 3600], ["minute", 60]];
  const [unit, length] = units.find(([, length]) => seconds >= length) ?? ["second", 1];
  const count = Math.floor(seconds / length);
  return `${count.toLocaleString("en")} ${unit}${count === 1 ? "" : "s"}`;
}

/** Checks the proof, and again while the event waits to be sealed. */
async function check(event, page, proofLine, facts) {
  let found;
  try {
    const keys = await page.keys;
    do {
      found = await verdict(event, keys, page.now, page.signal);
      showVerdict(proofLine, found);
      if (found.kind === "wait") await pause(found.pause, page.signal);
    } while (found.kind === "wait");
  } catch (error) {
    if (error.name === "AbortError") return;
    found = { kind: "unknown", text: `Not checked: ${error.message}` };
    showVerdict(proofLine, found);
  }
  if (found.leaf) addFact(facts, "Leaf hash", element("code", {}, found.leaf));
  if (found.proof) {
    const name = `${event.id}.tlog-proof`;
    proofLine.append(" ", button("Save the proof", () => save(name, [found.proof], "text/plain")));
  }
}

function showVerdict(proofLine, { kind, text, detail: more }) {
  proofLine.className = `proof ${kind}`;
  const mark = element("span", { class: "verdict", "aria-hidden": "true" }, MARKS[kind]);
  proofLine.replaceChildren(mark, " ", element("strong", {}, line(text)));
  if (more) proofLine.append(" ", line(more));
}

/** Waits for some seconds. Fails with an AbortError if the event is closed before. */
function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("closed", "AbortError"));
    });
  });
}

/** Buttons that select what is related to the event. */
function narrowButtons(event, page) {
  const around = {
    from: instant(Math.max(0, event.millis - AROUND_MILLIS)),
    to: instant(event.millis + AROUND_MILLIS),
    range: "",
  };
  const everyone = { user_id: "", src_service: "", event_type: "" };
  const only = (name, label, value) =>
    value === null ? null : button(label, () => page.narrow({ [name]: value }));
  return element(
    "div",
    { class: "actions", role: "group", "aria-label": "Related events" },
    only("user_id", "Only this user", event.user),
    only("src_service", "Only this service", event.service),
    only("event_type", "Only this type", event.type),
    button("15 minutes around, all users", () => page.narrow({ ...everyone, ...around })),
  );
}

/** The document, indented or as it was sent. */
function documentOf(event, page) {
  const shown = element("pre", { tabindex: "0", role: "region", "aria-label": "Document" });
  const choices = [
    button("Pretty", () => choose(0), { "aria-pressed": "true" }),
    button("Verbatim", () => choose(1), { "aria-pressed": "false" }),
  ];
  const forms = [() => pretty(event.document), () => verbatim(event.document, shown)];
  const choose = (chosen) => {
    choices.forEach((choice, at) => choice.setAttribute("aria-pressed", String(at === chosen)));
    shown.replaceChildren(forms[chosen]());
    shown.classList.toggle("verbatim", chosen === 1);
  };
  choose(0);
  const actions = element(
    "div",
    { class: "actions" },
    element("div", { class: "choice", role: "group", "aria-label": "Form" }, ...choices),
    copyButton("Copy the document", () => event.document),
    copyButton("Copy with ID and recorded", () => event.raw),
    copyButton("Copy the ID", () => event.id),
    copyButton("Copy a link", () => page.link(event.id)),
  );
  return element("div", {}, actions, shown);
}

function verbatim(text, shown) {
  const part = cutTo(text, MAX_VERBATIM);
  const code = element("code", { dir: "auto" }, ...lines(part));
  if (part.length === text.length) return code;
  const label = `Show all ${text.length.toLocaleString("en")} characters`;
  const all = () => {
    code.replaceChildren(...lines(text));
    announce("All characters are shown.");
    shown.focus();
  };
  code.append("… ", button(label, all, { class: "link" }));
  return code;
}
