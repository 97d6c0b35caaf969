/** Reads what scripts and notices have in common: a program with its arguments, and its environment. */
import type { ValueKind } from "./keys.js";
import { absolutePath } from "./values.js";
import type { YamlEntry, YamlValue } from "./yaml-source.js";

const writtenSchema = { type: ["string", "number", "boolean"] };

export const programAndTemplate: ValueKind<readonly [program: string, ...template: string[]]> = {
  words: "list of texts",
  schema: { type: "array", items: writtenSchema, minItems: 1 },
  read(value, { folder }) {
    const elements = value.list();
    const [program, ...template] = elements.map((element) => element.written());
    const [first] = elements;
    if (program === undefined || first === undefined)
      throw value.error("`run` must begin with the program, such as run: [./backup.sh]");
    // With a slash it is a path relative to the folder of the file, wherever the script works.
    return [program.includes("/") ? absolutePath(first, program, folder) : program, ...template];
  },
};

export const environment: ValueKind<Readonly<Record<string, string>>> = {
  words: "map of names and texts",
  schema: { type: "object", additionalProperties: writtenSchema },
  read: (value) => Object.fromEntries([...variablesOf(value)].map(([name, entry]) => [name, entry.value.written()])),
};

export function variablesOf(value: YamlValue): Map<string, YamlEntry> {
  return value.named((variable) => `variable "${variable}"`);
}
