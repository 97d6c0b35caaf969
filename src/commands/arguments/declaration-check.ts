/** What of a declaration cannot be meant. The compiler has seen one in TypeScript; one in YAML or JavaScript nobody has. */
import path from "node:path";
import { IscepError } from "../../errors.js";
import {
  allowances,
  keysOfArgument,
  keysOfItem,
  pathKinds,
  presences,
  stringFormats,
  type ArgumentDeclaration,
  type ItemDeclaration,
} from "./declaration.js";
import { checkCommandName } from "../../model/command-name.js";
import { didYouMean } from "../../text/near-name.js";

/** @throws IscepError `usage` for a declaration that cannot be meant; the message begins with the argument's name. */
export function checkDeclaration(name: string, declaration: ArgumentDeclaration): void {
  const refuse = refuser(name);
  // A name becomes a flag of the command line, a placeholder in argv and, one day, a variable.
  if (!/^[A-Za-z][A-Za-z0-9_-]{0,63}$/.test(name)) {
    refuse(`a name is a letter, and then up to 63 letters, digits, "_" and "-"`);
  }
  // An argument that is left out would be taken from the prototype: functions that nobody gave.
  if (name in Object.prototype) refuse("every object has something of that name; choose another");
  checkKeys(declaration, keysOfArgument, refuse);
  if (declaration.optional === true && declaration.default !== undefined) {
    refuse("has a default, so it is never absent; leave out `optional`");
  }
  checkValues(declaration, refuse);
  if (declaration.type === "list") {
    checkBounds(declaration.minItems, declaration.maxItems, "minItems", "maxItems", refuse);
    const refuseItem = refuser(name, ", items");
    checkKeys(declaration.items, keysOfItem, refuseItem);
    checkValues(declaration.items, refuseItem);
  }
}

type Refuse = (reason: string) => never;

function refuser(name: string, within = ""): Refuse {
  return (reason) => {
    throw new IscepError("usage", `argument "${name}"${within}: ${reason}`, { details: { argument: name } });
  };
}

function checkKeys(
  declaration: unknown,
  keysByType: Readonly<Record<string, readonly string[]>>,
  refuse: Refuse,
): void {
  if (typeof declaration !== "object" || declaration === null) refuse("must be an object with a `type`");
  const type: unknown = Reflect.get(declaration, "type");
  const types = Object.keys(keysByType);
  if (typeof type !== "string") refuse(`must have a type: ${types.join(", ")}`);
  const known = keysByType[type];
  if (known === undefined || !Object.hasOwn(keysByType, type))
    refuse(`there is no type "${type}"${didYouMean(type, types)}`);
  for (const key of Object.keys(declaration)) {
    if (!known.includes(key)) refuse(`"${key}" does not belong to type ${type}${didYouMean(key, known)}`);
  }
}

function checkValues(declaration: ArgumentDeclaration | ItemDeclaration, refuse: Refuse): void {
  switch (declaration.type) {
    case "string":
      checkBounds(declaration.minLength, declaration.maxLength, "minLength", "maxLength", refuse);
      checkPattern(declaration.pattern, refuse);
      checkFlag(declaration.multiline, "multiline", refuse);
      if (declaration.format !== undefined) checkWord(declaration.format, "format", stringFormats, refuse);
      if (declaration.choices !== undefined) checkChoices(declaration.choices, refuse);
      checkAllow(declaration.allow, allowances, refuse);
      break;
    case "integer":
    case "number":
      checkRange(declaration.minimum, declaration.maximum, refuse);
      checkAllow(declaration.allow, ["dash"], refuse);
      break;
    case "enum":
      if ((declaration.values === undefined) === (declaration.choices === undefined))
        refuse("needs `choices`: a list of texts, or { from: COMMAND }; `values` is another word for such a list");
      if (declaration.values !== undefined) checkTexts(declaration.values, "values", refuse);
      else checkChoices(declaration.choices, refuse);
      checkAllow(declaration.allow, ["dash"], refuse);
      break;
    case "path":
      if (typeof declaration.base !== "string" || declaration.base === "" || declaration.base.includes("\0"))
        refuse("needs `base`: the folder that the path lies in");
      if (path.resolve(declaration.base) === path.parse(path.resolve(declaration.base)).root)
        refuse("`base` is the whole file system; name the folder that is meant");
      if (declaration.presence !== undefined) checkWord(declaration.presence, "presence", presences, refuse);
      if (declaration.kind !== undefined) checkWord(declaration.kind, "kind", pathKinds, refuse);
      break;
    case "secret":
      checkBounds(declaration.minLength, declaration.maxLength, "minLength", "maxLength", refuse);
      checkPattern(declaration.pattern, refuse);
      checkFlag(declaration.multiline, "multiline", refuse);
      break;
    case "boolean":
    case "list":
      break;
  }
}

function checkFlag(value: unknown, key: string, refuse: Refuse): void {
  if (value !== undefined && typeof value !== "boolean") refuse(`\`${key}\` must be true or false`);
}

function checkWord(word: unknown, key: string, words: readonly unknown[], refuse: Refuse): void {
  if (!words.includes(word)) refuse(`there is no ${key} ${JSON.stringify(word)}; there are ${words.join(", ")}`);
}

function checkAllow(allow: unknown, words: readonly string[], refuse: Refuse): void {
  if (allow === undefined) return;
  if (!Array.isArray(allow) || allow.length === 0) refuse(`\`allow\` must be a list of ${words.join(", ")}`);
  for (const word of allow) {
    if (typeof word !== "string" || !words.includes(word))
      refuse(`\`allow\` has no ${JSON.stringify(word)} here; there is ${words.join(", ")}`);
  }
}

function checkTexts(texts: unknown, key: string, refuse: Refuse): void {
  if (!Array.isArray(texts) || texts.length === 0) refuse(`needs \`${key}\`: a list of texts`);
  if (!texts.every((text) => typeof text === "string")) refuse(`\`${key}\` must be texts; put numbers in quotes`);
  if (new Set(texts).size !== texts.length) refuse(`a value stands twice in \`${key}\``);
}

function checkChoices(choices: unknown, refuse: Refuse): void {
  if (typeof choices !== "object" || choices === null || Array.isArray(choices))
    return checkTexts(choices, "choices", refuse);
  const from: unknown = Reflect.get(choices, "from");
  if (typeof from !== "string" || Object.keys(choices).length !== 1)
    refuse("`choices` must be a list of texts, or { from: COMMAND }");
  try {
    checkCommandName(from);
  } catch (error) {
    refuse(`\`choices\`: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function checkPattern(pattern: unknown, refuse: Refuse): void {
  if (pattern === undefined) return;
  if (typeof pattern !== "string") refuse("`pattern` must be a text");
  try {
    // Alone, before it is put between anchors: `a)|(b` would be a valid pattern there, and anchored no more.
    RegExp(pattern, "u");
  } catch (error) {
    refuse(`\`pattern\` is no regular expression: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function checkBounds(low: unknown, high: unknown, lowName: string, highName: string, refuse: Refuse): void {
  for (const [name, value] of [
    [lowName, low],
    [highName, high],
  ] as const) {
    if (value !== undefined && !(Number.isSafeInteger(value) && Number(value) >= 0))
      refuse(`\`${name}\` must be a whole number from 0 on`);
  }
  if (typeof low === "number" && typeof high === "number" && low > high)
    refuse(`\`${lowName}\` is larger than \`${highName}\``);
}

function checkRange(minimum: unknown, maximum: unknown, refuse: Refuse): void {
  if (minimum !== undefined && !Number.isFinite(minimum)) refuse("`minimum` must be a number");
  if (maximum !== undefined && !Number.isFinite(maximum)) refuse("`maximum` must be a number");
  if (typeof minimum === "number" && typeof maximum === "number" && minimum > maximum)
    refuse("`minimum` is larger than `maximum`");
}
