// @ts-check
/** Two commands: a script that archives a world, and a function that makes a player an operator. */
import { randomUUID } from "node:crypto";
import { open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { declareArguments, defineCommand, defineScript, IscepError } from "iscep";

const folder = fileURLToPath(new URL(".", import.meta.url));
const opsFile = join(folder, "ops.json");

export const backupWorld = defineScript({
  name: "backup_world",
  description: "Archive a world folder, and tell where the archive is",
  run: [process.execPath, "backup.js", "{world}", "{limit}"],
  folder,
  args: {
    world: { type: "string", pattern: "[a-z0-9_-]+", default: "overworld", description: "folder below worlds/" },
    limit: {
      type: "integer",
      minimum: 1,
      maximum: 1000,
      default: 100,
      description: "MiB a second, to spare the players",
    },
  },
  timeoutMs: 10 * 60_000,
});

/**
 * The last change that is under way. Two changes at once would each write what they read, and one of them would be
 * lost.
 */
let lastChange = Promise.resolve();

export const makeOperator = defineCommand({
  name: "make_operator",
  description: "Give a player the rights of an operator",
  args: declareArguments({
    player: { type: "string", pattern: "[A-Za-z0-9_]{3,16}", description: "name of the player" },
    level: { type: "integer", minimum: 1, maximum: 4, default: 4, description: "what the operator may" },
  }),
  run: async ({ player, level }) => {
    const change = lastChange.then(() => addOperator({ name: player, level }));
    lastChange = change.then(
      () => {},
      () => {},
    );
    return change;
  },
});

/** @param {{ name: string, level: number }} operator */
async function addOperator(operator) {
  const operators = /** @type {{ name: string, level: number }[]} */ (JSON.parse(await readFile(opsFile, "utf8")));
  if (operators.some(({ name }) => name === operator.name)) {
    throw new IscepError("failed", `${operator.name} is an operator already`);
  }
  operators.push(operator);
  await replaceFile(opsFile, `${JSON.stringify(operators, null, 2)}\n`);
  return { operators: operators.map(({ name }) => name) };
}

/**
 * A reader of the file sees the old text or the new one, even when the power fails in between.
 * @param {string} file
 * @param {string} text
 */
async function replaceFile(file, text) {
  const temporary = `${file}.${randomUUID()}.tmp`;
  try {
    const handle = await open(temporary, "wx", 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
