/** What the process of a script may do: its user, how much it may use, and how much it may print. */
import { IscepError } from "../../errors.js";
import { limitTable } from "../../limits/limits.js";
import type { ScriptProcess } from "../../model/command.js";
import { cgroupFolder } from "./cgroup.js";
import { findSystemProgram } from "./program.js";
import { terminalPrograms } from "./terminal.js";
import { findUser } from "./user.js";

/** Limits of each process of the script, as the system counts. What is left out stays as for the server. */
export interface ProcessLimits {
  /** Seconds of computing, not of waiting. Then SIGXCPU ends the process, and SIGKILL a second later. */
  readonly cpuSeconds?: number;
  /** Bytes of address space. Some programs reserve far more of it than they use. */
  readonly memoryBytes?: number;
  /** The number of files that are open at once. */
  readonly files?: number;
  /**
   * The number of processes and threads at once. If the server may make a control group, it counts those of the run.
   * Otherwise it counts all of the user that the script runs as.
   */
  readonly processes?: number;
}

export const processLimitBounds = {
  cpuSeconds: { min: 1, max: 10 * 365 * 24 * 3_600 },
  memoryBytes: { min: 1024 * 1024, max: Number.MAX_SAFE_INTEGER },
  // A program must open its libraries.
  files: { min: 10, max: 1_048_576 },
  // Linux has no more numbers for processes.
  processes: { min: 1, max: 4_194_304 },
} as const satisfies Record<keyof ProcessLimits, { min: number; max: number }>;

export interface ProcessDefinition {
  /**
   * true: the script runs on a pseudo-terminal, for programs that people type into. It reads what the caller types (so
   * `stdin` is true), and all that it prints is standard output. Linux with util-linux only. Default: false.
   */
  readonly terminal?: boolean;
  /** The name of the user that the script runs as. The server must be root. Default: the server's own user. */
  readonly user?: string;
  /** What each process of the script may use. Default: the same as the server. */
  readonly limits?: ProcessLimits;
  /**
   * The mode bits that its new files do not get, as octal text such as `"022"`. A server in a worker thread cannot set
   * it. Default: `"077"`.
   */
  readonly umask?: string;
  /**
   * How many bytes the script may print, on standard output and error together. Default: the server's
   * `maxScriptOutputBytes`.
   */
  readonly maxOutputBytes?: number;
  /**
   * What happens beyond `maxOutputBytes`. `fail` and `truncate` drop the rest: with `fail`, a script that then ends
   * well has `failed` with code `too_large`; with `truncate` it completed, and `truncated` says so. `kill` ends the
   * script. Default: `fail`.
   */
  readonly whenOutputIsFull?: WhenOutputIsFull;
  /** false for output that is data, such as an archive: secret arguments in it are not masked. Default: true. */
  readonly mask?: boolean;
}

export const waysWhenOutputIsFull = ["fail", "truncate", "kill"] as const;
export type WhenOutputIsFull = (typeof waysWhenOutputIsFull)[number];

/**
 * @returns the settings, with the environment of the user, if there is one
 * @throws IscepError `configuration`, with the name of the field in `details`
 */
export function processSettings(definition: ProcessDefinition): ScriptProcess & {
  readonly userEnvironment: Readonly<Record<string, string>>;
} {
  const { maxOutputBytes, whenOutputIsFull, mask, terminal } = definition;
  if (terminal !== undefined && typeof terminal !== "boolean")
    throw wrong("terminal", "terminal must be true or false");
  if (maxOutputBytes !== undefined) {
    checkWhole("maxOutputBytes", maxOutputBytes, { min: 0, max: limitTable.maxScriptOutputBytes.max });
  }
  if (whenOutputIsFull !== undefined && !waysWhenOutputIsFull.includes(whenOutputIsFull)) {
    throw wrong("whenOutputIsFull", `whenOutputIsFull must be one of ${waysWhenOutputIsFull.join(", ")}`);
  }
  if (mask !== undefined && typeof mask !== "boolean") throw wrong("mask", "mask must be true or false");
  const umask = checkedUmask(definition.umask);
  const { processes, ...ownLimits } = checkedLimits(definition.limits ?? {});
  const group = processes === undefined ? undefined : cgroupFolder();
  // Only root can enter a group, so the user changes after that.
  const user = definition.user === undefined ? undefined : findUser(definition.user, group !== undefined);
  if (processes !== undefined && group === undefined) checkCountsUser(user?.uid ?? process.getuid?.());
  const prlimit = limitSetter(group === undefined && processes !== undefined ? { ...ownLimits, processes } : ownLimits);
  const launcher = [...prlimit, ...(user?.launcher ?? [])];
  return {
    ...(launcher.length === 0 ? {} : { launcher }),
    ...(group === undefined || processes === undefined ? {} : { processGroup: { folder: group, processes } }),
    ...(user === undefined ? {} : { user: { uid: user.uid, gid: user.gid } }),
    ...(user === undefined || user.launcher.length === 0 ? {} : { launcherSetsUser: true as const }),
    ...(umask === undefined ? {} : { umask }),
    ...(maxOutputBytes === undefined ? {} : { maxOutputBytes }),
    ...(whenOutputIsFull === undefined ? {} : { whenOutputIsFull }),
    ...(mask === false ? { mask } : {}),
    ...(terminal === true ? { terminal: terminalPrograms() } : {}),
    userEnvironment: user?.environment ?? {},
  };
}

export const umaskPattern = "^0?[0-7]{1,3}$";

function checkedUmask(umask: unknown): number | undefined {
  if (umask === undefined) return undefined;
  if (typeof umask === "string" && new RegExp(umaskPattern).test(umask)) return Number.parseInt(umask, 8);
  throw wrong("umask", 'umask of a script must be an octal text from "000" to "777", such as "022"');
}

function checkedLimits(limits: ProcessLimits): ProcessLimits {
  for (const [name, value] of Object.entries(limits)) {
    if (!Object.hasOwn(processLimitBounds, name)) throw wrong("limits", `there is no limit "${name}" of a script`);
    if (value !== undefined)
      checkWhole("limits", value, processLimitBounds[name as keyof ProcessLimits], `limits.${name}`);
  }
  return limits;
}

/** The kernel counts no processes of root against a limit (getrlimit(2), RLIMIT_NPROC). */
function checkCountsUser(uid: number | undefined): void {
  if (uid !== 0) return;
  throw wrong(
    "limits",
    "limits.processes of a script that runs as root needs a control group, and this server may make none here; give the " +
      "script a `user`, or the server a cgroup of its own (systemd: Delegate=pids and DelegateSubgroup=server)",
  );
}

function limitSetter(limits: ProcessLimits): string[] {
  const options = (Object.keys(optionsOf) as (keyof ProcessLimits)[]).flatMap((name) => {
    const value = limits[name];
    return value === undefined ? [] : [optionsOf[name](value)];
  });
  if (options.length === 0) return [];
  const prlimit = findSystemProgram("prlimit");
  if (prlimit === undefined) {
    throw wrong(
      "limits",
      "limits of a script are set by prlimit, which is not installed; install util-linux, or leave them out",
    );
  }
  return [prlimit, ...options, "--"];
}

const optionsOf: Readonly<Record<keyof ProcessLimits, (value: number) => string>> = {
  // The first limit sends SIGXCPU, which says why. The second one sends SIGKILL.
  cpuSeconds: (seconds) => `--cpu=${seconds}:${seconds + 1}`,
  memoryBytes: (bytes) => `--as=${bytes}`,
  files: (count) => `--nofile=${count}`,
  processes: (count) => `--nproc=${count}`,
};

function checkWhole(field: string, value: unknown, { min, max }: { min: number; max: number }, what = field): void {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max) return;
  throw wrong(field, `${what} of a script must be a whole number from ${min} to ${max}`);
}

function wrong(field: string, sentence: string): IscepError {
  return new IscepError("configuration", sentence, { details: { field } });
}
