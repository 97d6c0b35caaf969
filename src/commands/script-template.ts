/**
 * The argv template of a script. Nothing is ever parsed by a shell: an argument fills a whole slot, or the end of one
 * that begins with a literal, and reaches the program byte for byte.
 */
import { IscepError } from "../errors.js";
import { defaultLimits } from "../limits.js";
import type { ArgumentDeclarations } from "./declaration.js";
import { didYouMean } from "./near-name.js";

type Element =
  | { readonly kind: "literal"; readonly text: string }
  | {
      readonly kind: "slot";
      readonly argument: string;
      /** "" when the argument is the whole element. */
      readonly prefix: string;
      /** Whether the program may take the value for an option. */
      readonly guarded: boolean;
      /** The option that the element before names, which goes with an absent value. */
      readonly option: string | undefined;
    };

const slotPattern = /^([^{}]*)\{([^{}]+)\}$/u;
const forms =
  'the three forms are a literal, a whole "{argument}", and a literal with one at its end, such as "--name={argument}"';

/** Ends the options of a program: what comes after it is never taken for one. */
const endOfOptions = "--";

/**
 * Makes the function that fills the template (without the program) with arguments that have been checked.
 * @returns a function that throws IscepError `invalid_arguments` when a value cannot be given to a program
 * @throws IscepError `configuration`, with the number of the element (from 0) or the argument in `details`
 */
export function compileTemplate(
  template: readonly string[],
  declarations: ArgumentDeclarations,
): (args: unknown) => string[] {
  const elements = parseTemplate(template, declarations);
  return (args) => {
    if (typeof args !== "object" || args === null)
      throw new IscepError("invalid_arguments", "the arguments must be an object of names and values");
    const argv: string[] = [];
    for (const element of elements) {
      if (element.kind === "literal") argv.push(element.text);
      else fill(argv, element, args);
    }
    return argv;
  };
}

function fill(
  argv: string[],
  { argument, prefix, guarded, option }: Extract<Element, { kind: "slot" }>,
  args: object,
): void {
  const value: unknown = Object.hasOwn(args, argument) ? Reflect.get(args, argument) : undefined;
  const values: readonly unknown[] = value === undefined ? [] : Array.isArray(value) ? value : [value];
  if (values.length === 0) return;
  if (option !== undefined) argv.push(option);
  for (const each of values) {
    const text = textOf(each, argument);
    if (!guarded && text.startsWith("-")) {
      throw refused(argument, 'must not begin with "-": the program would take it for an option');
    }
    argv.push(checkedElement(prefix + text, argument));
  }
}

function textOf(value: unknown, argument: string): string {
  switch (typeof value) {
    case "string":
      return value;
    case "boolean":
      return value ? "true" : "false";
    case "number":
      if (Number.isFinite(value)) return decimal(value);
      throw refused(argument, "must be a finite number");
    default:
      throw refused(argument, "must be text, a number, or true or false");
  }
}

/** Without an exponent, which not every program reads: 1e21 and 1e-7 have one in JavaScript. -0 is 0. */
function decimal(value: number): string {
  const [, sign = "", whole = "", fraction = "", exponent] =
    /^(-?)(\d+)(?:\.(\d+))?e([+-]\d+)$/.exec(String(value)) ?? [];
  if (exponent === undefined) return String(value);
  const shift = Number(exponent);
  return shift > 0
    ? sign + whole + fraction.padEnd(shift, "0")
    : `${sign}0.${"0".repeat(-shift - 1)}${whole}${fraction}`;
}

/** What the system would refuse, cut at the NUL, or change on its way to the program. */
function checkedElement(text: string, argument: string): string {
  const fault = elementFault(text);
  if (fault !== undefined) throw refused(argument, fault);
  return text;
}

function elementFault(text: string): string | undefined {
  if (text.includes("\0")) return "must not contain NUL";
  if (/\p{Cs}/u.test(text)) return "must not contain halves of surrogate pairs, which have no form in UTF-8";
  const { maxArgvElementBytes } = defaultLimits;
  if (text.length * 3 > maxArgvElementBytes && Buffer.byteLength(text) > maxArgvElementBytes) {
    return `must be at most ${maxArgvElementBytes} bytes long, with what stands before it`;
  }
  return undefined;
}

function refused(argument: string, fault: string): IscepError {
  return new IscepError("invalid_arguments", `argument "${argument}" ${fault}`, { details: { argument } });
}

function parseTemplate(template: readonly string[], declarations: ArgumentDeclarations): Element[] {
  const elements: Element[] = [];
  const used = new Set<string>();
  let optionsEnded = false;
  for (const [index, text] of template.entries()) {
    const element = parseElement(text, index, declarations, optionsEnded);
    if (element.kind === "literal") {
      optionsEnded ||= text === endOfOptions;
      elements.push(element);
      continue;
    }
    used.add(element.argument);
    const before = elements.at(-1);
    if (
      element.prefix === "" &&
      mayBeAbsent(declarations[element.argument]) &&
      before?.kind === "literal" &&
      isOption(before.text)
    ) {
      elements.splice(-1, 1, { ...element, option: before.text });
    } else {
      elements.push(element);
    }
  }
  const unused = Object.keys(declarations).find((name) => !used.has(name));
  if (unused !== undefined) {
    throw new IscepError(
      "configuration",
      `argument "${unused}" is declared, but the template does not use it; add "{${unused}}", or remove the argument`,
      {
        details: { argument: unused },
      },
    );
  }
  return elements;
}

function parseElement(text: string, index: number, declarations: ArgumentDeclarations, optionsEnded: boolean): Element {
  const wrong = (sentence: string): IscepError =>
    new IscepError("configuration", sentence, { details: { element: index } });
  const shown = JSON.stringify(text.slice(0, 100));
  const fault = elementFault(text);
  if (fault !== undefined) throw wrong(`element ${shown} of the template ${fault}`);
  if (!/[{}]/.test(text)) return { kind: "literal", text };
  const [, prefix, argument] = slotPattern.exec(text) ?? [];
  if (prefix === undefined || argument === undefined)
    throw wrong(`element ${shown} of the template cannot be filled; ${forms}`);
  if (/^-+$/.test(prefix)) {
    throw wrong(
      `element ${shown} of the template would let the caller choose the option; write it as a literal of its own`,
    );
  }
  const declaration = Object.hasOwn(declarations, argument) ? declarations[argument] : undefined;
  if (declaration === undefined) {
    throw wrong(
      `the template uses argument "${argument}", which is not declared in args${didYouMean(argument, Object.keys(declarations))}`,
    );
  }
  if (declaration.type === "list" && prefix !== "") {
    throw wrong(
      `argument "${argument}" is a list, which fills whole elements only; write "{${argument}}" instead of ${shown}`,
    );
  }
  return { kind: "slot", argument, prefix, guarded: optionsEnded || prefix !== "", option: undefined };
}

function mayBeAbsent(declaration: ArgumentDeclarations[string] | undefined): boolean {
  if (declaration === undefined) return false;
  return declaration.type === "list" || (declaration.optional === true && declaration.default === undefined);
}

/** Never the end of the options: without it what follows would be unguarded. */
function isOption(text: string): boolean {
  return text.startsWith("-") && text !== endOfOptions;
}
