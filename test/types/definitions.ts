import * as v from "valibot";
import { z } from "zod";
import { declareArguments, defineCommand, defineScript, Server, type Command, type ServerOptions } from "iscep";
import * as commands from "./commands-module.js";
import { same } from "./equality.js";

defineCommand({
  name: "conversion",
  args: z.object({ when: z.string().transform((text) => new Date(text)) }),
  run: ({ when }, { signal, runId, identity }) => {
    same<typeof when, Date>(true);
    same<typeof signal, AbortSignal>(true);
    same<typeof runId, string>(true);
    same<typeof identity.owner, string>(true);
  },
});

defineCommand({
  name: "declared",
  args: declareArguments({
    world: { type: "string", default: "overworld" },
    mode: { type: "enum", choices: ["fast", "full"], default: "fast" },
    count: { type: "integer" },
    ratio: { type: "number", optional: true },
    sizes: { type: "list", items: { type: "number" }, default: [] },
    modes: { type: "list", items: { type: "enum", choices: ["a", "b"] } },
    flag: { type: "boolean", optional: false },
    level: { type: "enum", choices: ["low", "high"] },
    color: { type: "string", choices: ["red"], optional: true },
    place: { type: "enum", choices: { from: "list_worlds" } },
    target: { type: "path", base: "archives", presence: "new" },
    sources: { type: "list", items: { type: "path", base: "sources", kind: "file" } },
    password: { type: "secret" },
  }),
  run: ({ world, mode, count, ratio, sizes, modes, flag, level, color, place, target, sources, password }) => {
    same<typeof level, "low" | "high">(true);
    same<typeof color, "red" | undefined>(true);
    same<typeof place, string>(true);
    same<typeof target, string>(true);
    same<typeof sources, string[]>(true);
    same<typeof password, string>(true);
    same<typeof world, string>(true);
    same<typeof mode, "fast" | "full">(true);
    same<typeof count, number>(true);
    same<typeof ratio, number | undefined>(true);
    same<typeof sizes, number[]>(true);
    same<typeof modes, ("a" | "b")[]>(true);
    same<typeof flag, boolean>(true);
  },
});

defineCommand({
  name: "result",
  result: v.object({ sum: v.number() }),
  // @ts-expect-error it does not give what its result schema says
  run: () => ({ sum: "5" }),
});

defineCommand({
  name: "unknown_argument",
  args: z.object({ a: z.string() }),
  // @ts-expect-error there is no b
  run: ({ b }) => String(b),
});

defineCommand({
  name: "no_schema",
  // @ts-expect-error not a schema
  args: { a: "string" },
  run: () => 1,
});

// @ts-expect-error no name
defineCommand({ run: () => 1 });

// @ts-expect-error no type
declareArguments({ a: {} });
// @ts-expect-error no such type
declareArguments({ a: { type: "text" } });
// @ts-expect-error an enum has choices
declareArguments({ a: { type: "enum" } });
// @ts-expect-error a path lies in a folder
declareArguments({ a: { type: "path" } });
// @ts-expect-error a secret in the program is none
declareArguments({ a: { type: "secret", default: "x" } });
// @ts-expect-error they are called choices
declareArguments({ a: { type: "enum", values: ["a"] } });
// @ts-expect-error no number has control characters
declareArguments({ a: { type: "integer", allow: ["control"] } });
// @ts-expect-error a default of another type
declareArguments({ a: { type: "integer", default: "5" } });

// @ts-expect-error there is no such form
defineScript({ name: "form", run: ["true"], output: "xml" });
// @ts-expect-error there is no such limit
defineScript({ name: "limit", run: ["true"], limits: { disk: 5 } });
// @ts-expect-error a script has a program
defineScript({ name: "empty", run: [] });
defineScript({ name: "fed", run: ["cat"], args: { sql: { type: "string" } }, stdin: "{sql}" });
defineScript({ name: "fed", run: ["cat"], args: { a: { type: "string" } }, stdin: "args", argumentVariables: ["a"] });
// @ts-expect-error standard input is args, or an argument in braces
defineScript({ name: "fed", run: ["cat"], stdin: "sql" });
// @ts-expect-error a script is no line for a shell
defineScript({ name: "line", run: "tar -c ." });

function serve(options: ServerOptions): Server {
  return new Server(options);
}

// @ts-expect-error a module with other exports is for `iscep serve`, which picks the commands out
serve({ commands });
serve({ commands: [commands.greet, commands.backup] });
serve({ commands: { greet: commands.greet } });
// @ts-expect-error not made by defineCommand
serve({ commands: [() => 1] });

export const all: readonly Command[] = [
  commands.greet,
  commands.measure,
  commands.parse,
  commands.backup,
  commands.stop,
  commands.add,
];
