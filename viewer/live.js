// Live mode: follows the feed, which has every event once, in the order of the sealing.

import * as api from "./api.js";

const PER_PAGE = 100;
// The pause before the feed is asked again: as it says, and longer while it does not respond.
const MIN_PAUSE_SECONDS = 1;
const MAX_PAUSE_SECONDS = 30;

/**
 * Follows the feed from its end until the signal.
 * @param {() => Promise<void>} onstart Called once the end is known. What is listed from now on, and
 *   what the feed has, lack no event.
 * @param {(entries: object[], sealed: number) => void} onentries What was sealed since.
 * @param {(problem: string) => void} onproblem Why it does not respond. Empty once it does.
 */
export async function follow(onstart, onentries, onproblem, signal) {
  let after = null;
  let pause = MIN_PAUSE_SECONDS;
  while (!signal.aborted) {
    try {
      if (after === null) {
        after = (await api.feed(0, 1, signal)).sealed;
        await onstart();
      }
      const page = await api.feed(after, PER_PAGE, signal);
      onproblem("");
      if (page.entries.length > 0) onentries(page.entries, page.sealed);
      after = page.next;
      if (page.next < page.sealed) continue;
      pause = Math.max(MIN_PAUSE_SECONDS, page.pause);
    } catch (error) {
      if (error.name === "AbortError") return;
      onproblem(error.message);
      pause = Math.min(MAX_PAUSE_SECONDS, pause * 2);
    }
    await wait(pause, signal);
  }
}

function wait(seconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
