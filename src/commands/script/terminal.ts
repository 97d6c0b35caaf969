/**
 * A pseudo-terminal for a script, made by `script` of util-linux. That program gives its command to a shell, so the
 * command is a fixed text: it takes the words of the real command from variables, forgets these, and becomes it. A
 * shell never reads a value as code, since `"$NAME"` is replaced and not read again (POSIX.1-2017, XCU 2.6).
 */
import { spawnSync } from "node:child_process";
import { IscepError } from "../../errors.js";
import type { TerminalPrograms } from "../../model/command.js";
import { findSystemProgram } from "./program.js";

/** What a terminal of a caller is. */
export interface TerminalShape {
  readonly rows: number;
  readonly columns: number;
  /** The kind of terminal, as TERM names it. undefined where the caller has none. */
  readonly term?: string | undefined;
}

export interface StartOnTerminal {
  readonly program: string;
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** Programs expect this size of a terminal that was told no other one. */
export const usualShape: TerminalShape = { rows: 24, columns: 80 };

const prefix = "ISCEP_TERMINAL_";
/** The text that names this many words still fits in one argument of a program (128 KiB). */
const maxWords = 2_000;

let programs: TerminalPrograms | undefined;

/** @throws IscepError `configuration` where this system cannot give a script a terminal */
export function terminalPrograms(): TerminalPrograms {
  programs ??= findPrograms();
  return programs;
}

function findPrograms(): TerminalPrograms {
  const script = findSystemProgram("script");
  const stty = findSystemProgram("stty");
  const shell = findSystemProgram("sh");
  if (process.platform === "linux" && script !== undefined && stty !== undefined && shell !== undefined) {
    const { stdout } = spawnSync(script, ["--version"], { encoding: "utf8", timeout: 5_000 });
    const [, major = "0", minor = "0"] = /util-linux (\d+)\.(\d+)/.exec(stdout) ?? [];
    // Earlier versions do not know --echo, so what is typed would not be seen.
    if (Number(major) > 2 || (Number(major) === 2 && Number(minor) >= 36)) return { script, stty, shell };
  }
  throw new IscepError(
    "configuration",
    "terminal: true needs Linux with `script` of util-linux 2.36 or newer, and `stty` and `sh`; install util-linux (bsdutils on Debian, util-linux-misc on Alpine), or leave terminal out",
    { details: { field: "terminal" } },
  );
}

/** @throws IscepError `invalid_arguments` for more words than a terminal's command can have */
export function onTerminal(
  { script, shell }: TerminalPrograms,
  { program, argv, environment }: StartOnTerminal,
  { rows, columns, term }: TerminalShape,
): StartOnTerminal {
  const words = [program, ...argv];
  if (words.length > maxWords)
    throw new IscepError("invalid_arguments", `a command on a terminal can have ${maxWords} words, and these are more`);
  const named = words.map((word, index): [string, string] => [`${prefix}${index}`, word]);
  const { SHELL: ownShell } = environment;
  return {
    program: script,
    argv: ["--quiet", "--flush", "--return", "--echo", "always", "--command", commandText(words.length), "/dev/null"],
    environment: {
      ...(term === undefined ? { TERM: "dumb" } : { TERM: term }),
      ...environment,
      ...Object.fromEntries(named),
      [`${prefix}ROWS`]: String(rows),
      [`${prefix}COLUMNS`]: String(columns),
      ...(ownShell === undefined ? {} : { [`${prefix}SHELL`]: ownShell }),
      // The shell that `script` starts.
      SHELL: shell,
    },
  };
}

/** The text depends on nothing but the number of words. */
function commandText(count: number): string {
  const names = Array.from({ length: count }, (_, index) => `${prefix}${index}`);
  const restoreShell = `if [ -n "\${${prefix}SHELL+x}" ]; then SHELL="$${prefix}SHELL"; else unset SHELL; fi`;
  return [
    `stty rows "$${prefix}ROWS" cols "$${prefix}COLUMNS"`,
    restoreShell,
    `set -- ${names.map((name) => `"$${name}"`).join(" ")}`,
    `unset ${[...names, `${prefix}ROWS`, `${prefix}COLUMNS`, `${prefix}SHELL`].join(" ")}`,
    'exec "$@"',
  ].join("; ");
}
