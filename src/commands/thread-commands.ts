/**
 * In a worker thread, commands with `thread: true` register here when their module defines them. The table is on
 * globalThis, because the module may have loaded another copy of this library than the one that runs the thread.
 */
import type { FunctionCommand } from "../model/command.js";

const tableKey = Symbol.for("iscep.threadCommands");

export interface ThreadCommandTable {
  readonly commands: Map<string, FunctionCommand>;
}

/** Nothing is kept when no thread of ours opened the table, because it would only grow. */
export function openThreadCommandTable(): ThreadCommandTable {
  const table: ThreadCommandTable = { commands: new Map() };
  Reflect.set(globalThis, tableKey, table);
  return table;
}

export function threadCommandKey(module: string, name: string): string {
  return `${module} ${name}`;
}

export function registerThreadCommand(module: string, command: FunctionCommand): void {
  const table: unknown = Reflect.get(globalThis, tableKey);
  if (!isTable(table)) return;
  table.commands.set(threadCommandKey(module, command.name), command);
}

function isTable(value: unknown): value is ThreadCommandTable {
  return typeof value === "object" && value !== null && "commands" in value;
}
