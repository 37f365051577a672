// An event, indented. Names and values are as they were sent: numbers keep their spelling.

import { element } from "./dom.js";
import { parse, spelling, stringOf } from "./json.js";
import { cutTo, line } from "./text.js";

// A longer string is cut, with a button that shows all of it.
const MAX_STRING = 2000;
const INDENT = "  ";

/** The lines of a JSON text, as an element that keeps white space. */
export function pretty(text) {
  const pieces = [];
  write(pieces, text, parse(text), "");
  return element("code", { class: "json" }, ...pieces);
}

function write(pieces, text, node, indent) {
  const children = node.members ?? node.items;
  if (!children) {
    pieces.push(scalar(text, node));
    return;
  }
  const [open, close] = node.members ? "{}" : "[]";
  if (children.length === 0) {
    pieces.push(open + close);
    return;
  }
  pieces.push(`${open}\n`);
  const deeper = indent + INDENT;
  children.forEach((child, at) => {
    pieces.push(deeper);
    if (node.members) {
      pieces.push(quoted(text, child.key, "key"), ": ");
      write(pieces, text, child.value, deeper);
    } else {
      write(pieces, text, child, deeper);
    }
    pieces.push(at + 1 < children.length ? ",\n" : "\n");
  });
  pieces.push(indent, close);
}

function scalar(text, node) {
  if (node.kind === "string") return quoted(text, node, "string");
  return element("span", { class: node.kind }, spelling(text, node));
}

/** A string in quotes. Its escapes are those that JSON needs, so that letters can be read. */
function quoted(text, node, kind) {
  const value = stringOf(text, node);
  const shown = element("span", { class: kind }, line(JSON.stringify(cutTo(value, MAX_STRING))));
  if (value.length <= MAX_STRING) return shown;
  const rest = element(
    "button",
    {
      type: "button",
      class: "link",
      onclick: () => {
        shown.replaceChildren(line(JSON.stringify(value)));
        shown.setAttribute("tabindex", "-1");
        shown.focus();
      },
    },
    `Show all ${value.length.toLocaleString("en")} characters`,
  );
  shown.append(" … ", rest);
  return shown;
}
