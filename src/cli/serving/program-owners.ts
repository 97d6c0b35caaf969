import { statSync } from "node:fs";
import type { Command } from "../../model/command.js";

/**
 * A line for each script that root would start, and whose program belongs to a user other than root and the one that it
 * runs as.
 */
export function programsOfOthers(commands: readonly Command[]): string[] {
  if (process.getuid?.() !== 0) return [];
  return commands.flatMap((command) => {
    if (command.kind !== "script") return [];
    const { name, program, user } = command;
    const owner = statSync(program, { throwIfNoEntry: false })?.uid ?? 0;
    if (owner === 0 || owner === user?.uid) return [];
    return [
      `program ${program} of ${name} belongs to user ${owner}, who so decides what root runs; chown root ${program}, or name the user to run it as`,
    ];
  });
}
