// Reads JSON without losing its spelling: each node knows where it is in the text. JSON.parse would
// turn 10.00 into 10, and the hash of an event covers each character.

// The service accepts 62 levels in an event, and a list and the feed put some around it.
const MAX_LEVELS = 100;

/**
 * @typedef {object} Node
 * @property {'object'|'array'|'string'|'number'|'literal'} kind
 * @property {number} start The place of its first character in the text.
 * @property {number} end The place behind its last character.
 * @property {{key: Node, value: Node}[]} [members] Of an object.
 * @property {Node[]} [items] Of an array.
 */

/**
 * The node of a JSON text. Throws a SyntaxError for a text that is not JSON.
 * @param {string} text
 * @returns {Node}
 */
export function parse(text) {
  const reader = new Reader(text);
  const node = reader.value(0);
  reader.space();
  if (reader.at !== text.length) throw reader.error();
  return node;
}

/** The text of a node, as it was sent. */
export function spelling(text, node) {
  return text.slice(node.start, node.end);
}

/** The value of a node that is a string, without its escapes. */
export function stringOf(text, node) {
  return JSON.parse(spelling(text, node));
}

/** The member of an object with this name, or undefined. */
export function member(text, node, name) {
  if (node?.kind !== "object") return undefined;
  return node.members.find(({ key }) => stringOf(text, key) === name)?.value;
}

const SPACE = " \t\n\r";
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const LITERAL = /true|false|null/y;

class Reader {
  constructor(text) {
    this.text = text;
    this.at = 0;
  }

  error() {
    return new SyntaxError(`This is not JSON, at character ${this.at + 1}.`);
  }

  space() {
    while (this.at < this.text.length && SPACE.includes(this.text[this.at])) this.at += 1;
  }

  /** Whether the next character is this one, which is then taken. */
  takes(character) {
    this.space();
    if (this.text[this.at] !== character) return false;
    this.at += 1;
    return true;
  }

  value(level) {
    if (level > MAX_LEVELS) throw this.error();
    this.space();
    const start = this.at;
    switch (this.text[start]) {
      case "{":
        return { kind: "object", start, members: this.members(level), end: this.at };
      case "[":
        return { kind: "array", start, items: this.items(level), end: this.at };
      case '"':
        return this.string();
      default:
        return this.matched("literal", LITERAL) ?? this.matched("number", NUMBER) ?? this.fail();
    }
  }

  fail() {
    throw this.error();
  }

  members(level) {
    const members = [];
    this.takes("{");
    if (this.takes("}")) return members;
    do {
      this.space();
      const key = this.string();
      if (!this.takes(":")) this.fail();
      members.push({ key, value: this.value(level + 1) });
    } while (this.takes(","));
    if (!this.takes("}")) this.fail();
    return members;
  }

  items(level) {
    const items = [];
    this.takes("[");
    if (this.takes("]")) return items;
    do {
      items.push(this.value(level + 1));
    } while (this.takes(","));
    if (!this.takes("]")) this.fail();
    return items;
  }

  // A search for the end, because a regular expression runs out of stack on a long string.
  string() {
    const start = this.at;
    if (this.text[start] !== '"') this.fail();
    let end = start;
    do {
      end = this.text.indexOf('"', end + 1);
      if (end < 0) this.fail();
    } while (this.isEscaped(end));
    this.at = end + 1;
    return { kind: "string", start, end: this.at };
  }

  /** Whether an odd number of backslashes is in front of a place. */
  isEscaped(place) {
    let first = place;
    while (this.text[first - 1] === "\\") first -= 1;
    return (place - first) % 2 === 1;
  }

  matched(kind, pattern) {
    const start = this.at;
    pattern.lastIndex = start;
    if (!pattern.test(this.text)) return undefined;
    this.at = pattern.lastIndex;
    return { kind, start, end: this.at };
  }
}
