/** Runs in the worker threads of the pool: imports the module of a command and calls the command. */
import type { FunctionCommand } from "../commands/command.js";
import { importModule } from "../commands/load-module.js";
import { openThreadCommandTable, threadCommandKey } from "../commands/thread-commands.js";
import { IscepError } from "../errors.js";
import { isCloneable, packThrown, type ThreadAnswer, type ThreadTask } from "./thread-messages.js";
import { markCommandWorker } from "./worker-flag.js";

markCommandWorker();
const table = openThreadCommandTable();
/** Never aborted here: a timeout or a cancel ends the whole thread. */
const neverAborted = new AbortController().signal;

/** Never throws: what the pool sees rejected is a thread that has ended. */
export async function runInThread(task: ThreadTask): Promise<ThreadAnswer> {
  try {
    const command = await findCommand(task.module, task.command);
    const { runId, identity } = task;
    const value = await command.run(task.args, { runId, identity, signal: neverAborted });
    if (!isCloneable(value)) {
      throw new IscepError(
        "failed",
        `the result of "${task.command}" is not JSON, and cannot leave its thread; return plain objects, arrays, texts and numbers`,
      );
    }
    return { ok: true, value };
  } catch (error) {
    return { ok: false, thrown: packThrown(error) };
  }
}

async function findCommand(module: string, name: string): Promise<FunctionCommand> {
  const key = threadCommandKey(module, name);
  const known = table.commands.get(key);
  if (known !== undefined) return known;
  try {
    await importUntilDefined(module, key);
  } catch (error) {
    // A module that failed half way must fail at the next call too.
    table.commands.delete(key);
    const reason = error instanceof Error ? error.message : String(error);
    throw new IscepError(
      "configuration",
      `"${name}" runs in a thread, and its module ${module} cannot be loaded there: ${reason}`,
      {
        cause: error,
      },
    );
  }
  const command = table.commands.get(key);
  if (command !== undefined) return command;
  throw new IscepError(
    "configuration",
    `"${name}" runs in a thread, and its module ${module} does not define it; call defineCommand at the module's top level`,
  );
}

/**
 * A module that starts a server at its top level is never done in a thread (listen() does not return there), so the
 * command's definition counts as well; one turn later, as the rest of the module up to its first await comes after it.
 */
async function importUntilDefined(module: string, key: string): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      table.waiting.set(key, () => setImmediate(resolve));
      importModule(module).then(() => resolve(), reject);
    });
  } finally {
    table.waiting.delete(key);
  }
}
