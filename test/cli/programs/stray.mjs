import { defineCommand } from "iscep";

/** Leaves a promise alone that rejects. */
export const forget = defineCommand({
  name: "forget",
  run: () => {
    void Promise.reject(new Error("nobody waits for this"));
    return "done";
  },
});

/** Throws when nobody is there to catch it. */
export const explode = defineCommand({
  name: "explode",
  run: () => {
    setImmediate(() => {
      throw new Error("nobody catches this");
    });
    return "done";
  },
});
