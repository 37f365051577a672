// Shows a text that somebody else chose. Characters that are not seen, or that change the direction
// of their neighbours, are shown as marks, so that a text looks like what it is.

import { element } from "./dom.js";

// The names of UAX #9 for the characters that control the direction of text, and of others.
const NAMES = new Map([
  ["\t", "TAB"],
  ["\n", "LF"],
  ["\r", "CR"],
  [" ", "SP"],
  ["\u00ad", "SHY"],
  ["\u061c", "ALM"],
  ["\u200b", "ZWSP"],
  ["\u200c", "ZWNJ"],
  ["\u200d", "ZWJ"],
  ["\u200e", "LRM"],
  ["\u200f", "RLM"],
  ["\u202a", "LRE"],
  ["\u202b", "RLE"],
  ["\u202c", "PDF"],
  ["\u202d", "LRO"],
  ["\u202e", "RLO"],
  ["\u2066", "LRI"],
  ["\u2067", "RLI"],
  ["\u2068", "FSI"],
  ["\u2069", "PDI"],
  ["\ufeff", "BOM"],
]);

// Controls, format characters, separators of lines, fillers, selectors of variants, private and
// unassigned characters, and halves of characters.
const KINDS = "\\p{Cc}\\p{Cf}\\p{Co}\\p{Cs}\\p{Cn}\\p{Zl}\\p{Zp}\\p{Variation_Selector}";
const FILLERS = "\\u115f\\u1160\\u17b4\\u17b5\\u3164\\uffa0";
const HIDDEN = new RegExp(`[${KINDS}${FILLERS}]`, "u");
const EACH_HIDDEN = new RegExp(HIDDEN.source, "gu");

// Joiners belong to the spelling between letters of these scripts, and joiners and selectors to emoji.
const JOINERS = /^[\u200c\u200d]$/;
const SELECTORS = /^[\ufe0e\ufe0f]$/;
const SCRIPTS = [
  "Arabic",
  "Bengali",
  "Devanagari",
  "Kannada",
  "Malayalam",
  "Sinhala",
  "Tamil",
  "Telugu",
];
const OF_SCRIPTS = SCRIPTS.map((script) => `\\p{Script=${script}}`).join("");
const EMOJI = "\\p{Extended_Pictographic}";
const BEFORE_JOINER = new RegExp(`^[${OF_SCRIPTS}${EMOJI}\\p{Emoji_Modifier}\\ufe0f]`, "u");
const AFTER_JOINER = new RegExp(`^[${OF_SCRIPTS}${EMOJI}]`, "u");
const BEFORE_SELECTOR = new RegExp(`^${EMOJI}`, "u");

/**
 * A text in one line: its line feeds, and spaces at its ends, are marks, too.
 * @returns {Node} An element that keeps its direction to itself.
 */
export function line(text, maxCharacters = Infinity) {
  const cut = cutTo(text, maxCharacters);
  const shown = element("bdi", { dir: "auto" }, ...pieces(cut, isHiddenInLine(cut)));
  if (cut.length < text.length) shown.append("…");
  return shown;
}

/** A text of several lines, as pieces for an element that keeps white space. */
export function lines(text) {
  return pieces(text, (character) => !"\n\t ".includes(character));
}

/** The beginning of a text, without half a character at its end. */
export function cutTo(text, maxCharacters) {
  if (text.length <= maxCharacters) return text;
  const cut = text.slice(0, maxCharacters);
  return /[\ud800-\udbff]$/.test(cut) ? cut.slice(0, -1) : cut;
}

function isHiddenInLine(text) {
  const firstText = text.search(/[^ ]/);
  const lastText = text.trimEnd().length;
  return (character, place) => character !== " " || place < firstText || place >= lastText;
}

/** Texts and marks, in their order. */
function pieces(text, isMarked) {
  const hasEndSpace = text.startsWith(" ") || text.endsWith(" ");
  // Nearly all texts end here.
  if (!HIDDEN.test(text) && !hasEndSpace) return [text];
  const found = [];
  const pattern = hasEndSpace ? new RegExp(`${HIDDEN.source}|^ +| +$`, "gu") : EACH_HIDDEN;
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    if (!isMarked(match[0][0] === " " ? " " : match[0], match.index)) continue;
    if (isSpelling(text, match)) continue;
    if (match.index > end) found.push(text.slice(end, match.index));
    for (const character of match[0]) found.push(mark(character));
    end = match.index + match[0].length;
  }
  if (end < text.length) found.push(text.slice(end));
  return found;
}

/** Whether a joiner or a selector is between characters of which it is a part. */
function isSpelling(text, match) {
  // The last character by itself: Chromium 156 does not find one of four bytes in front of a $.
  const before = [...text.slice(Math.max(0, match.index - 2), match.index)].at(-1) ?? "";
  const after = text.slice(match.index + match[0].length, match.index + match[0].length + 2);
  if (JOINERS.test(match[0])) return BEFORE_JOINER.test(before) && AFTER_JOINER.test(after);
  return SELECTORS.test(match[0]) && BEFORE_SELECTOR.test(before);
}

function mark(character) {
  const code = character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
  const name = NAMES.get(character);
  const title = `The character U+${code}, which is not seen`;
  return element("span", { class: "mark", title, dir: "ltr" }, name ?? `U+${code}`);
}
