/** What `iscep serve` and `iscep check` say about the programs of scripts. */
import { statSync } from "node:fs";
import type { Command, Notice, ScriptCommand } from "../../model/command.js";
import { compileNotices } from "../../commands/notify.js";
import { firstLineFault, type FirstLineFault } from "../../commands/script/first-line.js";
import { fixedPath, isWritableByOwnGroup } from "../../commands/script/program.js";
import type { ServeSettings } from "./sources.js";

/**
 * A line for each script that root would start and whose program belongs neither to root nor to the user that it runs
 * as, and for each program that its own group may write.
 */
export function programsOfOthers(commands: readonly Command[]): string[] {
  return scriptsOf(commands).flatMap((script) => ownerWarning(script).concat(groupWarning(script)));
}

/** What is wrong with the first line of each program that has such a fault. */
export function firstLineFaults(commands: readonly Command[]): FirstLineFault[] {
  return scriptsOf(commands).flatMap(({ name, program, environment }) => {
    const fault = firstLineFault(program, environment["PATH"] ?? fixedPath);
    if (fault === undefined) return [];
    // A function, because $ in a path has no meaning here.
    const sentence = fault.sentence.replace("FILE", () => program);
    return [{ ...fault, sentence: `program ${program} of ${name} ${sentence}` }];
  });
}

/** The programs of notices, too. */
function scriptsOf(commands: readonly Command[]): ScriptCommand[] {
  return commands.flatMap((command) => [
    ...(command.kind === "script" ? [command] : []),
    ...noticeScripts(command.notify ?? []),
  ]);
}

/** The programs of the notices that the server gives for all commands. */
export function serverNoticeScripts({ notify }: Pick<ServeSettings, "notify">): ScriptCommand[] {
  return noticeScripts(compileNotices("the server", notify ?? false));
}

function noticeScripts(notices: readonly Notice[]): ScriptCommand[] {
  return notices.flatMap(({ target }) => (target.kind === "script" ? [target] : []));
}

function ownerWarning({ name, program, user }: ScriptCommand): string[] {
  if (process.getuid?.() !== 0) return [];
  const owner = statSync(program, { throwIfNoEntry: false })?.uid ?? 0;
  if (owner === 0 || owner === user?.uid) return [];
  return [
    `program ${program} of ${name} belongs to user ${owner}, who so decides what root runs; chown root ${program}, or name the user to run it as`,
  ];
}

function groupWarning({ name, program }: ScriptCommand): string[] {
  const stats = statSync(program, { throwIfNoEntry: false });
  if (stats === undefined || !isWritableByOwnGroup(stats)) return [];
  return [
    `program ${program} of ${name} can be changed by its group, in which only its owner is now; chmod g-w ${program}`,
  ];
}
