/**
 * The arguments of runs that were started in this tab, so that a run can be edited and run again also where the server
 * keeps no arguments. They live in the memory of the tab and in its session storage, without secrets.
 */
import { isRecord, type Field } from "../forms/field.js";

type Arguments = Readonly<Record<string, unknown>>;

const storageKey = "iscep.runs";
const maxRemembered = 50;
const maxCharacters = 20_000;

export function rememberRun(run: string, fields: readonly Field[], args: Arguments): void {
  const secret = new Set(
    fields.filter(({ kind, item }) => kind === "secret" || item?.kind === "secret").map(({ name }) => name),
  );
  const kept = Object.fromEntries(Object.entries(args).filter(([name]) => !secret.has(name)));
  if (JSON.stringify(kept).length > maxCharacters) return;
  const all = Object.entries(remembered()).slice(1 - maxRemembered);
  store(Object.fromEntries([...all, [run, kept]]));
}

export function rememberedArguments(run: string): Arguments | undefined {
  const found = remembered()[run];
  return isRecord(found) ? found : undefined;
}

export function forgetRememberedRuns(): void {
  store({});
}

function remembered(): Arguments {
  try {
    const value: unknown = JSON.parse(sessionStorage.getItem(storageKey) ?? "{}");
    return isRecord(value) ? value : {};
  } catch {
    // Storage may be switched off, or hold something else. Then nothing is remembered.
    return {};
  }
}

function store(runs: Arguments): void {
  try {
    sessionStorage.setItem(storageKey, JSON.stringify(runs));
  } catch {
    // Storage may be switched off or full. The page works without it.
  }
}
