/**
 * Commands that run in worker threads, by module and name. On globalThis, as the module may be loaded beside another
 * copy of this library than the one that runs the thread.
 */
import type { FunctionCommand } from "./command.js";

const tableKey = Symbol.for("iscep.threadCommands");

export interface ThreadCommandTable {
  readonly commands: Map<string, FunctionCommand>;
  readonly waiting: Map<string, (command: FunctionCommand) => void>;
}

export function threadCommandTable(): ThreadCommandTable {
  const known: unknown = Reflect.get(globalThis, tableKey);
  if (isTable(known)) return known;
  const table: ThreadCommandTable = { commands: new Map(), waiting: new Map() };
  Reflect.set(globalThis, tableKey, table);
  return table;
}

export function threadCommandKey(module: string, name: string): string {
  return `${module} ${name}`;
}

export function registerThreadCommand(module: string, command: FunctionCommand): void {
  const table = threadCommandTable();
  const key = threadCommandKey(module, command.name);
  table.commands.set(key, command);
  table.waiting.get(key)?.(command);
}

function isTable(value: unknown): value is ThreadCommandTable {
  return typeof value === "object" && value !== null && "commands" in value && "waiting" in value;
}
