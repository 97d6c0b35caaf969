/** A module as `iscep serve` takes it: commands, and other exports. */
import { type } from "arktype";
import * as v from "valibot";
import { z } from "zod";
import { declareArguments, defineCommand, defineScript } from "iscep";

export const greet = defineCommand({
  name: "greet",
  args: z.object({ message: z.string(), times: z.int().default(1) }),
  run: ({ message, times }) => message.repeat(times),
});

export const measure = defineCommand({
  name: "measure",
  args: v.object({ depth: v.optional(v.number()) }),
  run: async ({ depth }) => ({ depth: depth ?? 0, unit: "m" as const }),
});

export const parse = defineCommand({
  name: "parse",
  args: type({ text: "string" }),
  result: z.object({ words: z.array(z.string()) }),
  run: ({ text }) => ({ words: text.split(" ") }),
});

export const backup = defineScript({
  name: "backup_world",
  run: ["tar", "--mode={mode}", "--", "{world}", "{files}"],
  args: {
    world: { type: "string", pattern: "[a-z]+", default: "overworld" },
    mode: { type: "enum", choices: ["fast", "full"] },
    files: { type: "list", items: { type: "string" }, optional: true },
  },
});

export const status = defineScript({ name: "status", run: ["uptime"] });

export const tables = defineScript({
  name: "tables",
  run: ["psql", "--dbname={database}"],
  args: { database: { type: "string" } },
  output: "json",
  result: z.array(z.object({ name: z.string(), rows: z.number().optional() })),
});

export const disk = defineScript({
  name: "disk",
  run: ["df"],
  output: "json",
  result: {
    type: "object",
    properties: {
      mounts: { type: "array", items: { type: "string" } },
      state: { enum: ["full", "free"] },
      used: { type: "number" },
      last: { type: "object", properties: { day: { type: "integer" } }, required: ["day"] },
    },
    required: ["mounts", "state"],
  },
});

export const anything = defineScript({ name: "anything", run: ["df"], output: "json" });
export const users = defineScript({ name: "users", run: ["who"], output: "lines", successCodes: [0, 1] });
export const restart = defineScript({ name: "restart", run: ["true"], output: "none" });

export const stop = defineCommand({
  name: "stop",
  run: () => {
    // It answers nothing.
  },
});

export const add = defineCommand({
  name: "add",
  args: declareArguments({ a: { type: "number" }, b: { type: "integer", optional: true } }),
  run: ({ a, b }) => a + (b ?? 0),
});

interface Stock {
  readonly left: number;
  readonly since: Date;
  readonly note: string | undefined;
  readonly extra?: unknown;
}

export const shop = defineCommand({
  name: "shop",
  args: z.object({ item: z.string() }),
  errors: { sold_out: z.object({ left: z.number(), back: z.date().optional() }), closed: z.object({}) },
  run: ({ item }, context) => {
    if (item === "cheese") throw context.failure("sold_out", { left: 0 });
    if (item === "now") throw context.failure("closed", {}, "come back tomorrow");
    // @ts-expect-error the data of another error
    if (item === "wrong") throw context.failure("closed", { left: "none" });
    // @ts-expect-error there is no such error
    if (item === "gone") throw context.failure("gone", {});
    const stock: Stock = { left: 3, since: new Date(0), note: undefined };
    return { stock, tags: new Set(["a"]), when: [new Date(0)] as const, odd: Promise.resolve(1), save: () => 1 };
  },
});

export const perhaps = defineCommand({
  name: "perhaps",
  run: (): Date | undefined => (Date.now() > 0 ? new Date(0) : undefined),
});

const hidden = defineCommand({ name: "hidden", run: () => 5 });
export const more = [hidden];

export const version = "1.0.0";
export const settings = { port: 8989, name: "service" };
export function helper(text: string): string {
  return text;
}
