// Commands for the tests of the command line, as a user's module would have them.
import { defineCommand, errorTable, IscepError } from "iscep";
import { z } from "zod";

const codes = /** @type {import("iscep").ErrorCode[]} */ (Object.keys(errorTable));

export const greet = defineCommand({
  name: "greet",
  description: "Greets someone",
  args: z.object({
    message: z.string().describe("What to say"),
    times: z.int().min(1).default(1),
    shout: z.boolean().optional(),
  }),
  run: ({ message, times, shout }) =>
    Array(times)
      .fill(shout === true ? message.toUpperCase() : message)
      .join(" "),
});

/** Its arguments have the names of iscep's own options. */
export const deploy = defineCommand({
  name: "deploy",
  description: "Takes arguments that are called like options",
  args: z.object({
    url: z.string(),
    json: z.boolean().optional(),
    help: z.boolean().optional(),
    tags: z.array(z.string()).optional(),
  }),
  run: (args) => args,
});

export const others = [
  defineCommand({ name: "nothing", description: "Returns nothing", args: z.object({}), run: () => undefined }),
  defineCommand({
    name: "steer",
    description: "Returns what steers a terminal",
    args: z.object({}),
    run: () => "\u001b]0;title\u0007",
  }),
  defineCommand({
    name: "letters",
    description: "Returns many letters",
    args: z.object({ count: z.int() }),
    run: ({ count }) => "x".repeat(count),
  }),
  defineCommand({
    name: "crash",
    description: "Throws",
    args: z.object({}),
    run: () => {
      throw new Error("a secret reason");
    },
  }),
  defineCommand({
    name: "refuse",
    description: "Ends with an error of a code",
    args: z.object({ code: z.enum(codes) }),
    run: ({ code }) => {
      throw new IscepError(code);
    },
  }),
  defineCommand({
    name: "forever",
    description: "Ends when it is told to",
    args: z.object({}),
    run: (_, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(new IscepError("cancelled")), { once: true });
      }),
  }),
];
