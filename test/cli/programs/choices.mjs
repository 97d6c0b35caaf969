// A command whose choices would do harm where a shell saw them as code.
import { declareArguments, defineCommand } from "iscep";

export const choices = [
  "plain",
  "the end",
  "a$(touch pwned)",
  "b`touch pwned`",
  "c';touch pwned;'",
  'd"&&touch pwned',
  "e!x",
  "f:g=h",
  "~g",
];

export const commands = [
  defineCommand({
    name: "choose",
    description: "Takes one of hostile choices",
    args: declareArguments({
      value: { type: "enum", choices: choices, description: "which" },
      many: { type: "list", items: { type: "enum", choices: ["one", "two"] }, optional: true },
      fast: { type: "boolean", optional: true },
      times: { type: "integer", default: 1 },
    }),
    run: ({ value }) => `chosen: ${value}`,
  }),
  defineCommand({ name: "ns:other", run: () => "other" }),
];
