// Copies text. The status of the page says so, because the change of a button is not read aloud.

import { button, element } from "./dom.js";
import { announce } from "./status.js";

const SHOWN_MILLIS = 2000;

/** A button that copies what the function returns. */
export function copyButton(label, text) {
  const made = button(label, async () => {
    const isCopied = await copy(text());
    made.textContent = isCopied ? "Copied" : "Not copied";
    announce(isCopied ? `${label}: copied.` : "The browser did not allow the page to copy.");
    setTimeout(() => (made.textContent = label), SHOWN_MILLIS);
  });
  return made;
}

/** Whether a text is in the clipboard now. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

/** For a page that a browser does not call secure, such as one of another machine over HTTP. */
function copyBySelection(text) {
  const area = element("textarea", { class: "hidden", "aria-hidden": "true", tabindex: "-1" });
  area.value = text;
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  return isCopied;
}
