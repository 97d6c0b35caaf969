/** Finds commands that give each other's values, because they would ask each other forever. */
import type { Command } from "../model/command.js";

/** The names from the command back to itself; undefined when none of its choices lead back. */
export function circleOf(
  command: Pick<Command, "name" | "choicesFrom">,
  get: (name: string) => Pick<Command, "choicesFrom"> | undefined,
): readonly string[] | undefined {
  const seen = new Set<string>();
  const ways: (readonly string[])[] = [...(command.choicesFrom?.values() ?? [])].map((from) => [command.name, from]);
  for (const way of ways) {
    const last = way.at(-1) ?? "";
    if (last === command.name) return way;
    if (seen.has(last)) continue;
    seen.add(last);
    for (const from of get(last)?.choicesFrom?.values() ?? []) ways.push([...way, from]);
  }
  return undefined;
}

export function circleSentence(circle: readonly string[]): string {
  return `the choices of ${circle.map((name) => `"${name}"`).join(" come from ")}, a circle that gives no values; let one have fixed choices`;
}
