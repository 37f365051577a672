// What changed, for those who hear the page.

import { byId } from "./dom.js";

/** Says a sentence when the person pauses. */
export function announce(text) {
  byId("announcement").textContent = text;
}
