/**
 * The verb that the completion script of a shell calls at TAB. It is quick or silent, because nobody wants to read
 * errors in a prompt.
 */
import { candidatesAt } from "../completion/candidates.js";
import { candidateLine, shells, type Shell } from "../completion/shell-candidate.js";
import { filesExitCode } from "../completion/scripts.js";
import { describedCommands, newestRuns, presentInstances } from "../completion/described-commands.js";
import type { DefineVerb } from "../terminal/invocation.js";
import { print } from "../terminal/streams.js";
import { typedLine } from "../completion/typed-words.js";

export const define: DefineVerb = (command, invocation) => {
  command
    .argument("<shell>")
    .argument("<line>", "the command line up to the cursor")
    .action(async (shell: string, text: string) => {
      const line = typedLine(text);
      const program = await invocation.programFor(line.words.map((word) => word.text));
      const found = await candidatesAt(line, program, {
        commands: describedCommands,
        runs: newestRuns,
        instances: presentInstances,
      });
      if (found === "files") {
        invocation.exitCode = filesExitCode;
        return;
      }
      const lines = found.flatMap((candidate) => candidateLine(candidate, line.current, shellNamed(shell)) ?? []);
      await print(lines.map((each) => `${each}\n`).join(""));
    });
};

/** An unknown shell inserts what it gets, as bash does. */
function shellNamed(name: string): Shell {
  return shells.find((shell) => shell === name) ?? "bash";
}
