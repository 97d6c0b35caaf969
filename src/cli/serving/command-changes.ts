/** Says which commands differ between two readings of the files. */
import { defaultLimits } from "../../limits/limits.js";
import type { Sources } from "./sources.js";

type Reading = Pick<Sources, "commands" | "texts">;

/** Such as `added a, b; removed c; changed d`; empty when none differs. */
export function commandChanges(before: Reading, now: Reading): string {
  const old = namesOf(before);
  const current = namesOf(now);
  const kept = [...current].filter((name) => old.has(name));
  return [
    ["added", [...current].filter((name) => !old.has(name))] as const,
    ["removed", [...old].filter((name) => !current.has(name))] as const,
    ["changed", kept.filter((name) => before.texts.get(name) !== now.texts.get(name))] as const,
  ]
    .filter(([, names]) => names.length > 0)
    .map(([what, names]) => `${what} ${shown(names)}`)
    .join("; ");
}

function namesOf({ commands }: Reading): Set<string> {
  return new Set(commands.map(({ name }) => name));
}

function shown(names: readonly string[]): string {
  const more = names.length - defaultLimits.maxShownProblems;
  const first = names.slice(0, defaultLimits.maxShownProblems).join(", ");
  return more > 0 ? `${first} and ${more} more` : first;
}
