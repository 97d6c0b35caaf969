// Commands that carry their secret argument into all that a server writes.
import { declareArguments, defineCommand, defineScript, IscepError } from "iscep";

const args = declareArguments({ password: { type: "secret", multiline: true } });

/**
 * As programs quote what they complain about.
 * @param {string} password
 */
function complaint(password) {
  const url = new URL("https://service/");
  url.searchParams.set("password", password);
  const authorization = Buffer.from(`user:${password}`).toString("base64");
  const cause = new Error(`cannot log in with ${JSON.stringify({ password })}, '${password.replaceAll("'", "'\\''")}'`);
  return new Error(`refused: ${password}; ${url.href}; Basic ${authorization}`, { cause });
}

export const forget = defineCommand({
  name: "forget",
  args,
  run: ({ password }) => {
    void Promise.reject(complaint(password));
    return "done";
  },
});

export const later = defineCommand({
  name: "later",
  args,
  run: ({ password }) => {
    setTimeout(() => void Promise.reject(complaint(password)), 50);
    return "done";
  },
});

export const fail = defineCommand({
  name: "fail",
  args,
  run: ({ password }) => {
    throw complaint(password);
  },
});

export const refuse = defineCommand({
  name: "refuse",
  args,
  run: async ({ password }) => {
    await Promise.resolve();
    throw new IscepError("failed", complaint(password).message);
  },
});

export const print = defineScript({
  name: "print",
  run: ["/bin/sh", "-c", "cat; cat >&2 /dev/null; exit 3"],
  stdin: "args",
  args: { password: { type: "secret", multiline: true } },
});

export const data = defineScript({
  name: "data",
  run: ["/bin/cat"],
  stdin: "{password}",
  args: { password: { type: "secret", multiline: true } },
  mask: false,
});

export const explode = defineCommand({
  name: "explode",
  args,
  run: ({ password }) => {
    setImmediate(() => {
      throw complaint(password);
    });
    return "done";
  },
});
