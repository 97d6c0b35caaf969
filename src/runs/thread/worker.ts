/** Runs in the worker threads of the pool. It imports the module of a command and calls the command. */
import { parentPort } from "node:worker_threads";
import type { FunctionCommand } from "../../model/command.js";
import { importModule } from "../../commands/load-module.js";
import { openThreadCommandTable, threadCommandKey } from "../../commands/thread-commands.js";
import { IscepError } from "../../errors.js";
import { sendable } from "../run/settle.js";
import { ThreadContextChannel } from "./channel.js";
import { begin, packThrown, type ThreadAnswer, type ThreadMessage, type ThreadTask } from "./messages.js";
import { markCommandWorker } from "./worker-flag.js";

const table = openThreadCommandTable();
const imports = new Map<string, Promise<void>>();
const whenListening = new Set<() => void>();
markCommandWorker(() => {
  for (const resolve of whenListening) setImmediate(resolve);
});

parentPort?.on("message", (task: ThreadTask) => {
  void runInThread(task).then((answer) => post({ kind: "answer", answer }));
});

function post(message: ThreadMessage): void {
  parentPort?.postMessage(message);
}

/** Never rejects: what the command throws is an answer too. */
async function runInThread(task: ThreadTask): Promise<ThreadAnswer> {
  const channel = new ThreadContextChannel(task.port, task.limits);
  try {
    const command = await findCommand(task.module, task.command);
    post({ kind: "loaded" });
    if (!begin(task.gate)) throw new IscepError("cancelled", "the call was left before the command began");
    const { runId, traceparent, identity } = task;
    const value = await command.run(task.args, {
      runId,
      traceparent,
      identity,
      signal: channel.signal,
      output: channel.output,
      stdin: channel.stdin,
      progress: (fraction, message) => channel.progress(fraction, message),
    });
    // The JSON is made here, so that this work holds up no other thread, and nothing is lost by a copy.
    return { ok: true, json: sendable(value, task.limits)?.text };
  } catch (error) {
    return { ok: false, thrown: packThrown(error) };
  } finally {
    channel.end();
  }
}

async function findCommand(module: string, name: string): Promise<FunctionCommand> {
  const where = `"${name}" runs in a thread, and its module ${module}`;
  let imported = imports.get(module);
  if (imported === undefined) {
    imported = importUntilListening(module);
    imports.set(module, imported);
  }
  try {
    await imported;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new IscepError("configuration", `${where} cannot be loaded there: ${reason}`, { cause: error });
  }
  const command = table.commands.get(threadCommandKey(module, name));
  if (command !== undefined) return command;
  throw new IscepError(
    "configuration",
    `${where} does not define it there; call defineCommand at the module's top level, before the module starts a server`,
  );
}

/**
 * A module that starts a server at its top level never finishes loading in a thread, because listen() does not return
 * there.
 */
async function importUntilListening(module: string): Promise<void> {
  let resolveListening: () => void = () => {};
  const listening = new Promise<void>((resolve) => (resolveListening = resolve));
  whenListening.add(resolveListening);
  try {
    await Promise.race([importModule(module), listening]);
  } finally {
    whenListening.delete(resolveListening);
  }
}
