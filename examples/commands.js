// @ts-check
/** The commands of a small service: functions, with arguments that are checked before they run. */
import { declareArguments, defineCommand, IscepError } from "iscep";

export const greet = defineCommand({
  name: "greet",
  description: "Say hello",
  args: declareArguments({ name: { type: "string", maxLength: 40, default: "world", description: "whom to greet" } }),
  run: ({ name }) => `hello ${name}`,
});

export const add = defineCommand({
  name: "add",
  description: "Add two numbers",
  args: declareArguments({ a: { type: "number" }, b: { type: "number" } }),
  run: ({ a, b }) => a + b,
});

/** The context says who calls, and its signal says when to stop. */
export const whoami = defineCommand({
  name: "whoami",
  description: "Tell the caller who it is",
  run: (_args, { identity }) => identity.owner,
});

/** Output and progress reach the caller while the command runs. A slow reader makes `write` wait. */
export const countDown = defineCommand({
  name: "count_down",
  description: "Count down to zero",
  args: declareArguments({ from: { type: "integer", minimum: 1, maximum: 1000, default: 3 } }),
  run: async ({ from }, { output, progress, signal }) => {
    for (let left = from; left > 0 && !signal.aborted; left--) {
      await output.write("stdout", `${left}\n`);
      progress((from - left + 1) / from, `${left - 1} left`);
    }
    return "zero";
  },
});

/** The caller gets the text of an IscepError. Any other exception stays in the server's error.log. */
export const withdraw = defineCommand({
  name: "withdraw",
  description: "Take coins out of an empty purse",
  args: declareArguments({ coins: { type: "integer", minimum: 1 } }),
  run: ({ coins }) => {
    throw new IscepError("failed", `there are 0 coins, and ${coins} were asked for`);
  },
});
