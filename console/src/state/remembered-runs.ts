/**
 * The arguments of runs that were started in this tab, so that a run can be edited and run again also where the server
 * keeps no arguments. They are without secrets.
 */
import { isRecord, type Field } from "../forms/field.js";
import { TabMemory } from "./tab-memory.js";

type Arguments = Readonly<Record<string, unknown>>;

const maxCharacters = 20_000;
const memory = new TabMemory("iscep.runs");

export function rememberRun(run: string, fields: readonly Field[], args: Arguments): void {
  const secret = new Set(
    fields.filter(({ kind, item }) => kind === "secret" || item?.kind === "secret").map(({ name }) => name),
  );
  const kept = Object.fromEntries(Object.entries(args).filter(([name]) => !secret.has(name)));
  if (JSON.stringify(kept).length <= maxCharacters) memory.set(run, kept);
}

export function rememberedArguments(run: string): Arguments | undefined {
  const found = memory.get(run);
  return isRecord(found) ? found : undefined;
}

export function forgetRememberedRuns(): void {
  memory.forget();
}
