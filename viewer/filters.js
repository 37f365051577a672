// The filter bar: user, service, type, the range and the zone.

import { byId, element } from "./dom.js";
import { FIELDS } from "./state.js";
import { inputValue, ofInput, zoneName } from "./time.js";

// What the menu of ranges says if the two times are given.
const CUSTOM = "custom";

/** The form. */
export class Filters {
  /** @param {(changes: object) => void} onchange Applies what was changed. */
  constructor(onchange) {
    this.onchange = onchange;
    this.form = byId("filters");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#apply();
    });
    this.form.addEventListener("reset", (event) => {
      event.preventDefault();
      const empty = Object.fromEntries(FIELDS.map((name) => [name, ""]));
      this.onchange({ ...empty, from: "", to: "", range: "" });
    });
    for (const name of FIELDS) {
      byId(name).addEventListener("change", () => this.#apply());
      byId(name).addEventListener("input", (event) => this.#chosen(event));
    }
    byId("range").addEventListener("change", () => this.#rangeChosen());
    for (const name of ["from", "to"]) {
      byId(name).addEventListener("change", () => this.#timeChosen());
    }
    byId("zone").addEventListener("change", () => this.onchange({ zone: byId("zone").value }));
  }

  /** Shows a state. */
  show(state, now) {
    this.state = state;
    for (const name of FIELDS) byId(name).value = state[name];
    const isUtc = state.zone === "utc";
    byId("from").value = inputValue(state.from, isUtc);
    byId("to").value = inputValue(state.to, isUtc);
    byId("range").value = state.from || state.to ? CUSTOM : state.range;
    byId("zone").value = state.zone;
    byId("zone-own").textContent = zoneName(false, now);
    this.showProblems([]);
  }

  /** Adds suggestions: values that the log has seen. */
  suggest(facets) {
    for (const name of FIELDS) {
      const values = facets[name] ?? [];
      const options = values.map((value) => element("option", { value }));
      byId(`${name}-values`)?.replaceChildren(...options);
    }
  }

  /** Shows next to each field what the service says about it. */
  showProblems(problems) {
    for (const name of [...FIELDS, "from", "to"]) {
      const found = problems.find(({ field }) => field === name);
      byId(name).setAttribute("aria-invalid", String(Boolean(found)));
      byId(`${name}-problem`).textContent = found ? `This ${found.problem}.` : "";
    }
  }

  #apply() {
    const values = Object.fromEntries(FIELDS.map((name) => [name, byId(name).value]));
    const isChanged = FIELDS.some((name) => values[name] !== this.state[name]);
    if (isChanged) this.onchange(values);
  }

  /** A suggestion that is chosen is applied at once. */
  #chosen(event) {
    if (event.inputType === "insertReplacementText" || event.inputType === undefined) this.#apply();
  }

  #rangeChosen() {
    const { value } = byId("range");
    if (value === CUSTOM) {
      byId("from").focus();
      return;
    }
    this.onchange({ range: value, from: "", to: "" });
  }

  #timeChosen() {
    const isUtc = this.state.zone === "utc";
    const times = {};
    for (const name of ["from", "to"]) {
      const isKept = byId(name).value === inputValue(this.state[name], isUtc);
      times[name] = isKept ? this.state[name] : ofInput(byId(name).value, isUtc);
    }
    this.onchange({ ...times, range: "" });
  }
}
