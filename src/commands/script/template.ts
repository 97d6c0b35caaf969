/**
 * The argv template of a script. No shell ever parses anything: an argument fills a whole element, or the end of one
 * that begins with a literal, and reaches the program byte for byte.
 */
import { IscepError } from "../../errors.js";
import { checkedElement, contentOf, elementFault, givenValue, refused, textOf } from "../arguments/text.js";
import type { ArgumentDeclaration, ArgumentDeclarations } from "../arguments/declaration.js";

type Element = { readonly kind: "literal"; readonly text: string } | Slot;

interface Slot {
  readonly kind: "slot";
  readonly argument: string;
  /** Whether the element gets the value itself, or a path or a descriptor from which the program reads the value. */
  readonly place: "value" | "file" | "fd";
  /** The literal in front; "" when the argument is the whole element. */
  readonly prefix: string;
  /**
   * True when the value may begin with "-", because the program cannot take it for an option, or the definition allows
   * it.
   */
  readonly guarded: boolean;
  /** The option in the element before, which is removed together with an absent value. */
  readonly option: string | undefined;
}

/** Braces around other text, and doubled braces, belong to the program: JSON, templates of Go, `${HOME}`, `{print $1}`. */
const named = /\{([A-Za-z][\w-]*)(?::([^{}]*))?\}/gu;

const forms =
  'an argument fills a whole element, "{argument}", or the end of one, "--name={argument}"; for the text itself double ' +
  'the braces, "{{argument}}"';

/** Ends the options of a program. Elements after it are never options. */
const endOfOptions = "--";

/** The descriptors before are standard input, output and error. */
const firstDescriptor = 3;

export interface ArgvTemplate {
  readonly usedArguments: ReadonlySet<string>;
  /**
   * Makes the argv of a call. Values that the program must read from descriptors are added to these.
   * @throws IscepError `invalid_arguments` when a value cannot be given to a program
   */
  fill(args: object, descriptors: Buffer[]): string[];
}

/** @throws IscepError `configuration`, with the number of the element (from 0) in `details` */
export function compileTemplate(template: readonly string[], declarations: ArgumentDeclarations): ArgvTemplate {
  const elements = parseTemplate(template, declarations);
  const slots = elements.filter((element) => element.kind === "slot");
  return {
    usedArguments: new Set(slots.map(({ argument }) => argument)),
    fill: (args, descriptors) => {
      const argv: string[] = [];
      for (const element of elements) {
        if (element.kind === "literal") argv.push(element.text);
        else fill(argv, descriptors, element, args);
      }
      return argv;
    },
  };
}

function fill(argv: string[], descriptors: Buffer[], slot: Slot, args: object): void {
  const { argument, place, prefix, guarded, option } = slot;
  const value = givenValue(args, argument);
  const values: readonly unknown[] = value === undefined ? [] : Array.isArray(value) ? value : [value];
  if (values.length === 0) return;
  if (option !== undefined) argv.push(option);
  for (const each of values) {
    if (place !== "value") {
      const descriptor = firstDescriptor - 1 + descriptors.push(contentOf(each, argument));
      argv.push(prefix + (place === "file" ? `/dev/fd/${descriptor}` : descriptor));
      continue;
    }
    const text = textOf(each, argument);
    if (!guarded && text.startsWith("-")) {
      throw refused(argument, 'must not begin with "-": the program would take it for an option');
    }
    argv.push(checkedElement(prefix + text, argument));
  }
}

function parseTemplate(template: readonly string[], declarations: ArgumentDeclarations): Element[] {
  const elements: Element[] = [];
  let optionsEnded = false;
  for (const [index, text] of template.entries()) {
    const element = parseElement(text, index, declarations, optionsEnded);
    const before = elements.at(-1);
    if (element.kind === "literal") {
      optionsEnded ||= text === endOfOptions;
      elements.push(element);
    } else if (
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
  return elements;
}

function parseElement(text: string, index: number, declarations: ArgumentDeclarations, optionsEnded: boolean): Element {
  const wrong = (sentence: string): IscepError =>
    new IscepError("configuration", sentence, { details: { element: index } });
  const shown = JSON.stringify(text.slice(0, 100));
  const fault = elementFault(text);
  if (fault !== undefined) throw wrong(`element ${shown} of the template ${fault}`);
  const slot = firstSlot(text, declarations);
  if (slot === undefined) return { kind: "literal", text: withoutDoubledBraces(text, declarations) };
  const { argument, place, declaration } = slot;
  const prefix = withoutDoubledBraces(text.slice(0, slot.from), declarations);
  if (slot.to !== text.length) throw wrong(`element ${shown} of the template cannot be filled; ${forms}`);
  if (/^-+$/.test(prefix)) {
    throw wrong(
      `element ${shown} of the template would let the caller choose the option; write it as a literal of its own`,
    );
  }
  if (place !== "value" && place !== "file" && place !== "fd") {
    throw wrong(
      `element ${shown}: behind the colon stands "file", for a path to read the value from, or "fd", for the number of its descriptor`,
    );
  }
  if (declaration.type === "secret" && place === "value") {
    throw wrong(
      `argument "${argument}" is a secret, and everybody on the machine sees the argv of a program; write ` +
        `"${prefix}{${argument}:file}" for a path to read it from, "${prefix}{${argument}:fd}" for the number of its descriptor, ` +
        `or give it to standard input: stdin: "{${argument}}"`,
    );
  }
  if (declaration.type === "list" && place !== "value")
    throw wrong(
      `argument "${argument}" is a list, and ${place} holds one value; write "{${argument}}", or stdin: args`,
    );
  const guarded = optionsEnded || prefix !== "" || allowsDash(declaration);
  const dashed = guarded || place !== "value" ? undefined : dashedValue(declaration);
  if (dashed !== undefined) {
    const value = JSON.stringify(dashed);
    throw new IscepError(
      "configuration",
      `argument "${argument}" has the value ${value}, which would be refused at each call, as the program could take it for an ` +
        `option; write "--${argument}={${argument}}" or "--" before it in run, or allow: [dash] where the program cannot`,
      { details: { argument } },
    );
  }
  return { kind: "slot", argument, place, prefix, guarded, option: undefined };
}

/** A whole element, or the end of one, that has the form of a slot, and names no argument. */
const slotLike = /^(?:[^{}]*=)?\{([A-Za-z][\w-]*)(?::(?:file|fd))?\}$/;

/**
 * The elements that a person most likely meant as slots: they have the form of one, and their name is not declared. They
 * reach the program as they are, which is right for a program that has such braces itself.
 */
export function slotsWithoutArgument(
  template: readonly string[],
  declarations: ArgumentDeclarations,
): { readonly element: string; readonly name: string }[] {
  return template.flatMap((element) => {
    const name = slotLike.exec(element)?.[1];
    return name === undefined || Object.hasOwn(declarations, name) ? [] : [{ element, name }];
  });
}

interface FoundSlot {
  readonly argument: string;
  readonly declaration: ArgumentDeclaration;
  readonly place: string;
  readonly from: number;
  readonly to: number;
}

/** The first place in the element that an argument fills; undefined for a literal. */
export function firstSlot(text: string, declarations: ArgumentDeclarations): FoundSlot | undefined {
  for (const match of text.matchAll(named)) {
    const [whole, argument = "", place = "value"] = match;
    const declaration = Object.hasOwn(declarations, argument) ? declarations[argument] : undefined;
    const [from, to] = [match.index, match.index + whole.length];
    if (declaration !== undefined && !isDoubled(text, from, to)) return { argument, declaration, place, from, to };
  }
  return undefined;
}

function isDoubled(text: string, from: number, to: number): boolean {
  return text[from - 1] === "{" && text[to] === "}";
}

/** `{{world}}` becomes the text `{world}` if an argument has that name. All other braces stay as they are written. */
function withoutDoubledBraces(text: string, declarations: ArgumentDeclarations): string {
  return text.replaceAll(/\{(\{([A-Za-z][\w-]*)(?::[^{}]*)?\})\}/gu, (doubled, single: string, argument: string) =>
    Object.hasOwn(declarations, argument) ? single : doubled,
  );
}

/** Text that looks like an argument, and names none. */
export function unknownSlots(template: readonly string[], declarations: ArgumentDeclarations): string[] {
  const names = template.flatMap((text) => [...text.matchAll(named)].map(([, name = ""]) => name));
  return names.filter((name) => !Object.hasOwn(declarations, name));
}

function allowsDash(declaration: ArgumentDeclaration): boolean {
  const value = declaration.type === "list" ? declaration.items : declaration;
  return "allow" in value && (value.allow ?? []).some((word) => word === "dash");
}

/** A descriptor that the definition itself names. */
function dashedValue(declaration: ArgumentDeclaration): string | undefined {
  const item = declaration.type === "list" ? declaration.items : declaration;
  const named: unknown[] = [declaration.default ?? []].flat();
  const choices: unknown = "choices" in item ? item.choices : undefined;
  if (Array.isArray(choices)) named.push(...(choices as unknown[]));
  return item.type === "path" ? undefined : named.map(String).find((value) => value.startsWith("-"));
}

function mayBeAbsent(declaration: ArgumentDeclaration | undefined): boolean {
  if (declaration === undefined) return false;
  return declaration.type === "list" || (declaration.optional === true && declaration.default === undefined);
}

/**
 * True for an option that takes the next element as its value. One with "=" has its own value, and "-" is a file. The
 * end of the options is no such option, because without it the rest would be unguarded.
 */
function isOption(text: string): boolean {
  return /^-./.test(text) && !text.includes("=") && text !== endOfOptions;
}
