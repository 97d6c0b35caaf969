/**
 * Finds mistakes in declarations. The compiler has checked those in TypeScript, but nothing has checked those in YAML
 * or JavaScript.
 */
import { IscepError } from "../../errors.js";
import { didYouMean } from "../../text/near-name.js";
import { wordsForArguments, wordsForTypes } from "../../text/other-words.js";
import type { ArgumentDeclaration } from "./declaration.js";
import { declarationTable, keysOfArgument, keysOfItem, type DeclarationKey } from "./declaration-table.js";

type KeysByType = Readonly<Record<string, readonly string[]>>;

/** @throws IscepError `usage` for a mistake in a declaration; the message begins with the argument's name */
export function checkDeclaration(name: string, declaration: ArgumentDeclaration): void {
  const fault = faultOfName(name) ?? faultOfDeclaration(declaration, keysOfArgument);
  if (fault !== undefined) throw refusal(name, `: ${fault}`);
  const itemFault = declaration.type === "list" ? faultOfDeclaration(declaration.items, keysOfItem) : undefined;
  if (itemFault !== undefined) throw refusal(name, `, items: ${itemFault}`);
}

function refusal(name: string, fault: string): IscepError {
  return new IscepError("usage", `argument "${name}"${fault}`, { details: { argument: name } });
}

function faultOfName(name: string): string | undefined {
  // A name becomes a flag of the command line, a placeholder in argv, and a variable.
  if (!/^[A-Za-z][A-Za-z0-9_-]{0,63}$/.test(name))
    return `a name is a letter, and then up to 63 letters, digits, "_" and "-"`;
  // An absent argument with such a name would be read from the prototype, as a function that the caller did not give.
  return name in Object.prototype ? "every object has something of that name; choose another" : undefined;
}

function faultOfDeclaration(declaration: unknown, keysByType: KeysByType): string | undefined {
  if (typeof declaration !== "object" || declaration === null) return "must be an object with a `type`";
  const type: unknown = Reflect.get(declaration, "type");
  const fault = faultOfType(type, keysByType);
  if (fault !== undefined || typeof type !== "string") return fault;
  const said = new Map<string, unknown>(Object.entries(declaration).filter(([, value]) => value !== undefined));
  for (const [key, value] of said) {
    const wrong = faultOfKey(key, type, keysByType) ?? (key === "type" ? undefined : faultOfValue(key, value, type));
    if (wrong !== undefined) return wrong;
  }
  return faultBetweenKeys(said, type);
}

/** @param type the type in the declaration */
export function faultOfType(type: unknown, keysByType: KeysByType): string | undefined {
  const types = Object.keys(keysByType);
  if (typeof type !== "string") return `needs a \`type\`: ${types.join(", ")}`;
  return Object.hasOwn(keysByType, type)
    ? undefined
    : `there is no type "${type}"${didYouMean(type, types, wordsForTypes)}`;
}

function faultOfKey(key: string, type: string, keysByType: KeysByType): string | undefined {
  const known = keysByType[type] ?? [];
  if (known.includes(key)) return undefined;
  return `"${key}" does not belong to type ${type}${didYouMean(key, known, wordsForArguments)}`;
}

/** @param shownKey the key as it is written in the declaration */
export function faultOfValue(key: string, value: unknown, type: string, shownKey = key): string | undefined {
  return rows[key]?.kind.fault(value, shownKey, type);
}

const rows: Readonly<Record<string, DeclarationKey>> = declarationTable;

function faultBetweenKeys(said: ReadonlyMap<string, unknown>, type: string): string | undefined {
  for (const [key, { neededBy, upTo }] of Object.entries(rows)) {
    if (neededBy?.types.some((each) => each === type) === true && !said.has(key))
      return `needs \`${key}\`: ${neededBy.what}`;
    const [low, high] = [said.get(key), upTo === undefined ? undefined : said.get(upTo)];
    if (typeof low === "number" && typeof high === "number" && low > high)
      return `\`${key}\` is larger than \`${upTo}\``;
  }
  if (said.get("optional") === true && said.has("default"))
    return "has a default, so it is never absent; leave out `optional`";
  return undefined;
}
