/**
 * In a worker thread, commands with `thread: true` announce themselves here when their module defines them. The table
 * hangs on globalThis, as the module may have loaded another copy of this library than the one that runs the thread.
 */
import type { FunctionCommand } from "./command.js";

const tableKey = Symbol.for("iscep.threadCommands");

export interface ThreadCommandTable {
  readonly commands: Map<string, FunctionCommand>;
  /** Called when a command is defined. */
  readonly waiting: Map<string, () => void>;
}

/** Nothing is kept in a thread where nobody opened the table: it would only grow. */
export function openThreadCommandTable(): ThreadCommandTable {
  const table: ThreadCommandTable = { commands: new Map(), waiting: new Map() };
  Reflect.set(globalThis, tableKey, table);
  return table;
}

export function threadCommandKey(module: string, name: string): string {
  return `${module} ${name}`;
}

export function registerThreadCommand(module: string, command: FunctionCommand): void {
  const table: unknown = Reflect.get(globalThis, tableKey);
  if (!isTable(table)) return;
  const key = threadCommandKey(module, command.name);
  table.commands.set(key, command);
  table.waiting.get(key)?.();
}

function isTable(value: unknown): value is ThreadCommandTable {
  return typeof value === "object" && value !== null && "commands" in value && "waiting" in value;
}
