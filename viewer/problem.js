// What went wrong, in a place that is read aloud.

import { button, byId, element } from "./dom.js";
import { line } from "./text.js";

/** Shows an error, and how to try again. */
export function showProblem(error, retry) {
  const id = error.requestId ? element("span", {}, " Request ", line(error.requestId), ".") : null;
  byId("problem").replaceChildren(
    ...[element("strong", {}, line(error.message)), id, button("Try again", retry)].filter(Boolean),
  );
}

/** Shows no error. */
export function clearProblem() {
  byId("problem").replaceChildren();
}
