// Saves a file that the page has made.

import { element } from "./dom.js";

const KEPT_MILLIS = 60_000;

/** Saves these parts, texts or blobs, as one file. */
export function save(name, parts, type) {
  const url = URL.createObjectURL(new Blob(parts, { type }));
  const link = element("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  // The browser reads it after the click.
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MILLIS);
}
