/** Reads YAML together with its places, so that each fault has file, line and column. */
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Document,
  type Pair,
  type YAMLError,
  type YAMLMap,
} from "yaml";
import { IscepError } from "../errors.js";
import { defaultLimits } from "../limits/limits.js";
import type { ConfigurationProblems } from "./problems.js";
import { didYouMean } from "../text/near-name.js";
import type { OtherWords } from "../text/other-words.js";

interface YamlFile {
  readonly name: string;
  readonly text: string;
  readonly document: Document;
  readonly lines: LineCounter;
}

/** @throws IscepError `configuration` for text that is not YAML, has a key twice, or is empty */
export function parseYaml(file: string, text: string): YamlValue {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    version: "1.2",
    merge: true,
    // The library compares each key with each: 10,000 commands take it seconds.
    uniqueKeys: false,
    strict: true,
    prettyErrors: false,
    lineCounter: lines,
  });
  const [fault] = [...document.errors, ...document.warnings];
  if (fault !== undefined) {
    const { line, col } = lines.linePos(fault.pos[0]);
    throw new IscepError("configuration", `${file}:${line}:${col}: ${syntaxFault(fault, text)}`, { cause: fault });
  }
  const root = new YamlValue({ name: file, text, document, lines }, document.contents, 0, "the file");
  refuseKeysTwice(document, (key) => {
    throw new YamlValue({ name: file, text, document, lines }, key, 0, "a key").error(twice);
  });
  return root;
}

const twice = "this key stands twice; remove one of the two";

function refuseKeysTwice(document: Document, refuse: (key: unknown) => never): void {
  visit(document, {
    Map(_, { items }) {
      const seen = new Set<unknown>();
      for (const pair of items) {
        const name = nameOf(pair);
        if (seen.has(name)) refuse(pair.key);
        seen.add(name);
      }
    },
  });
}

function syntaxFault({ code, message, pos }: YAMLError, text: string): string {
  if (code === "MULTIPLE_DOCS") return "a second document begins here, and a configuration is one; remove the ---";
  const line = text.slice(text.lastIndexOf("\n", pos[0] - 1) + 1).split("\n", 1)[0] ?? "";
  const hint = /[[{*&!%@`]/.test(line)
    ? '; a text with a bracket, a brace or one of * & ! % @ in it needs quotes, like "{world}"'
    : "";
  return `this is not YAML: ${message}${hint}`;
}

/** A value at its place. `what` is its name in messages. */
export class YamlValue {
  readonly what: string;
  readonly #file: YamlFile;
  readonly #node: unknown;
  readonly #offset: number;
  readonly #end: number;

  constructor(file: YamlFile, node: unknown, offset: number, what: string) {
    this.#file = file;
    this.#offset = offsetOf(node) ?? offset;
    this.#end = endOf(node) ?? this.#offset;
    this.what = what;
    this.#node = isAlias(node) ? node.resolve(file.document) : node;
    if (isAlias(node) && this.#node === undefined)
      throw this.error(`there is no anchor &${node.source} before this alias`);
  }

  /** `FILE:LINE:COLUMN: what is wrong` */
  error(reason: string, cause?: unknown): IscepError {
    const message = `${this.place}: ${reason}`;
    return new IscepError("configuration", message, cause === undefined ? {} : { cause });
  }

  /** `FILE:LINE:COLUMN` */
  get place(): string {
    const { line, col } = this.#file.lines.linePos(this.#offset);
    return `${this.#file.name}:${line}:${col}`;
  }

  /** True for a key without a value. */
  get isEmpty(): boolean {
    return this.#node === null || this.#node === undefined || (isScalar(this.#node) && this.#node.value === null);
  }

  get isMap(): boolean {
    return isMap(this.#node);
  }

  get isList(): boolean {
    return isSeq(this.#node);
  }

  /** The value, if it is a text, a number, true or false; undefined for anything else. */
  get scalar(): unknown {
    return isScalar(this.#node) ? this.#node.value : undefined;
  }

  /** The value as plain data. */
  get plain(): unknown {
    const node = this.#node;
    if (!isMap(node) && !isSeq(node)) return this.scalar;
    try {
      const plain: unknown = node.toJS(this.#file.document, { maxAliasCount: defaultLimits.maxYamlAliases });
      return plain;
    } catch (error) {
      throw this.error(`${this.what} has too many aliases; write out what they stand for`, error);
    }
  }

  /** The text of the value as it is written. What it takes from elsewhere, by an alias or by <<, follows as data. */
  get source(): string {
    const written = this.#file.text.slice(this.#offset, this.#end).trimEnd();
    return /[*<]/.test(written) ? `${written}\n${JSON.stringify(this.plain)}` : written;
  }

  text(): string {
    const { scalar } = this;
    if (typeof scalar === "string" && scalar !== "") return scalar;
    const hint = typeof scalar === "number" || typeof scalar === "boolean" ? "; put it in quotes" : "";
    throw this.error(`${this.what} must be a text${hint}`);
  }

  /** A text, or a number or truth value as it is written, because in argv and the environment all of them are texts. */
  written(): string {
    const node = this.#node;
    if (isScalar(node)) {
      if (typeof node.value === "string") return node.value;
      if (node.value !== null && node.source !== undefined) return node.source;
    }
    // {world} without quotes is a map with that key.
    const [first] = isMap(node) && node.flow === true ? node.items : [];
    const hint =
      first !== undefined && isScalar(first.key)
        ? `; for the argument, write "{${String(first.key.value)}}" in quotes`
        : "";
    throw this.error(`${this.what} must be a text${hint}`);
  }

  flag(): boolean {
    const { scalar } = this;
    if (typeof scalar === "boolean") return scalar;
    throw this.error(`${this.what} must be true or false`);
  }

  wholeNumber(minimum: number, maximum: number): number {
    const { scalar } = this;
    if (typeof scalar === "number" && Number.isInteger(scalar) && scalar >= minimum && scalar <= maximum) return scalar;
    throw this.error(`${this.what} must be a whole number from ${minimum} to ${maximum}`);
  }

  list(): YamlValue[] {
    if (!isSeq(this.#node)) throw this.error(`${this.what} must be a list`);
    return this.#node.items.map(
      (item, index) => new YamlValue(this.#file, item, this.#offset, `item ${index + 1} of ${this.what}`),
    );
  }

  /** A map whose keys are names that the file's author chose. */
  named(what: (name: string) => string): Map<string, YamlEntry> {
    const entries = new Map<string, YamlEntry>();
    for (const { key, value } of this.#pairs(this.#map(), [])) {
      const name = new YamlValue(this.#file, key, this.#offset, `a key of ${this.what}`);
      const text = name.text();
      entries.set(text, {
        key: name,
        value: new YamlValue(this.#file, value, offsetOf(key) ?? this.#offset, what(text)),
      });
    }
    return entries;
  }

  /**
   * A map with our own keys.
   * @param problems gets the faults of single keys, which are then left out
   * @param hints `later` are keys that only a later version knows; keys that begin with `ownPrefix` are the author's own
   */
  fields(
    known: readonly string[],
    problems: ConfigurationProblems,
    { later = [], otherWords, ownPrefix }: FieldHints = {},
  ): Map<string, YamlValue> {
    const fields = new Map<string, YamlValue>();
    for (const [name, { key, value }] of this.named((name) => `\`${name}\``)) {
      if (ownPrefix !== undefined && name.startsWith(ownPrefix)) continue;
      problems.attempt(() => {
        if (later.includes(name)) {
          throw key.error(`this version of iscep does not know \`${name}\`; remove it, or install a version that does`);
        }
        if (!known.includes(name))
          throw key.error(`${this.what} has no key "${name}"${didYouMean(name, known, otherWords)}`);
        if (value.isEmpty) throw key.error(`\`${name}\` has no value; give it one, or remove the key`);
        fields.set(name, value);
      });
    }
    return fields;
  }

  /**
   * The keys, with those that `<<` merges from other maps. An own key wins over theirs, and an earlier map wins over a
   * later one.
   */
  #pairs(map: YAMLMap, within: readonly YAMLMap[]): Pair[] {
    if (within.includes(map)) throw this.error(`${this.what} takes itself over by <<; take over another map`);
    const isMerge = ({ key }: Pair): boolean => isScalar(key) && typeof key.value === "symbol";
    const pairs = map.items.filter((pair) => !isMerge(pair));
    const keys = new Set(pairs.map(nameOf));
    for (const { value } of map.items.filter(isMerge)) {
      for (const source of this.#sources(value)) {
        const taken = this.#pairs(source, [...within, map]).filter((pair) => !keys.has(nameOf(pair)));
        for (const pair of taken) keys.add(nameOf(pair));
        pairs.push(...taken);
      }
    }
    return pairs;
  }

  /** A list within the list is refused, as by other readers of YAML. */
  #sources(value: unknown, isInList = false): YAMLMap[] {
    const node = isAlias(value) ? value.resolve(this.#file.document) : value;
    if (isMap(node)) return [node];
    if (isSeq(node) && !isInList) return node.items.flatMap((item) => this.#sources(item, true));
    throw this.error(`${this.what}: << takes a map such as *name, or a list of maps`);
  }

  #map(): YAMLMap {
    if (isMap(this.#node)) return this.#node;
    throw this.error(
      this.isEmpty ? `${this.what} is empty` : `${this.what} must be a map, with lines such as \`key: value\``,
    );
  }
}

interface FieldHints {
  readonly later?: readonly string[];
  readonly otherWords?: OtherWords;
  readonly ownPrefix?: string;
}

export interface YamlEntry {
  /** The place of the key itself. */
  readonly key: YamlValue;
  readonly value: YamlValue;
}

function nameOf({ key }: Pair): unknown {
  return isScalar(key) ? key.value : key;
}

function endOf(node: unknown): number | undefined {
  if (typeof node !== "object" || node === null || !("range" in node) || !Array.isArray(node.range)) return undefined;
  const end: unknown = node.range[1];
  return typeof end === "number" ? end : undefined;
}

function offsetOf(node: unknown): number | undefined {
  if (typeof node !== "object" || node === null || !("range" in node) || !Array.isArray(node.range)) return undefined;
  const start: unknown = node.range[0];
  return typeof start === "number" ? start : undefined;
}
