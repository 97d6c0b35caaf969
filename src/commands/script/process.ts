/** What the process of a script is allowed: whose it is, how much it may use, and how much it may print. */
import { IscepError } from "../../errors.js";
import { limitTable } from "../../limits/limits.js";
import type { ScriptProcess } from "../../model/command.js";
import { findSystemProgram } from "./program.js";
import { findUser } from "./user.js";

/** Of each process of the script, as the system counts them. What is left out stays as it is for the server. */
export interface ProcessLimits {
  /** Of computing, not of waiting. Then SIGXCPU ends it, and SIGKILL a second later. */
  readonly cpuSeconds?: number;
  /** Address space, which some programs reserve far more of than they use. */
  readonly memoryBytes?: number;
  /** Open at once. */
  readonly files?: number;
}

export const processLimitBounds = {
  cpuSeconds: { min: 1, max: 10 * 365 * 24 * 3_600 },
  memoryBytes: { min: 1024 * 1024, max: Number.MAX_SAFE_INTEGER },
  // A program has to open its libraries.
  files: { min: 10, max: 1_048_576 },
} as const satisfies Record<keyof ProcessLimits, { min: number; max: number }>;

export interface ProcessDefinition {
  /** Name of the user whom it runs as; the server has to be root. Default: the server's own. */
  readonly user?: string;
  readonly limits?: ProcessLimits;
  /** Standard output and error together. Default: the server's `maxScriptOutputBytes`. */
  readonly maxOutputBytes?: number;
  /**
   * What is beyond is dropped, and a script that ends well is `failed` with code `too_large` (`fail`, the default), or
   * completed, which `truncated` tells (`truncate`); or the script is ended (`kill`).
   */
  readonly whenOutputIsFull?: WhenOutputIsFull;
  /** false for output that is data, such as an archive: secret arguments in it stay as they are. Default: true. */
  readonly mask?: boolean;
}

export const waysWhenOutputIsFull = ["fail", "truncate", "kill"] as const;
export type WhenOutputIsFull = (typeof waysWhenOutputIsFull)[number];

/**
 * @returns with the user's own environment, where there is one
 * @throws IscepError `configuration`, with the name of the field in `details`
 */
export function processSettings(definition: ProcessDefinition): ScriptProcess & {
  readonly userEnvironment: Readonly<Record<string, string>>;
} {
  const { maxOutputBytes, whenOutputIsFull, mask } = definition;
  if (maxOutputBytes !== undefined) {
    checkWhole("maxOutputBytes", maxOutputBytes, { min: 0, max: limitTable.maxScriptOutputBytes.max });
  }
  if (whenOutputIsFull !== undefined && !waysWhenOutputIsFull.includes(whenOutputIsFull)) {
    throw wrong("whenOutputIsFull", `whenOutputIsFull must be one of ${waysWhenOutputIsFull.join(", ")}`);
  }
  if (mask !== undefined && typeof mask !== "boolean") throw wrong("mask", "mask must be true or false");
  const user = definition.user === undefined ? undefined : findUser(definition.user);
  const launcher = [...limitSetter(definition.limits ?? {}), ...(user?.launcher ?? [])];
  return {
    ...(launcher.length === 0 ? {} : { launcher }),
    ...(user === undefined ? {} : { user: { uid: user.uid, gid: user.gid } }),
    ...(user === undefined || user.launcher.length === 0 ? {} : { launcherSetsUser: true as const }),
    ...(maxOutputBytes === undefined ? {} : { maxOutputBytes }),
    ...(whenOutputIsFull === undefined ? {} : { whenOutputIsFull }),
    ...(mask === false ? { mask } : {}),
    userEnvironment: user?.environment ?? {},
  };
}

function limitSetter(limits: ProcessLimits): string[] {
  for (const name of Object.keys(limits)) {
    if (!Object.hasOwn(processLimitBounds, name)) throw wrong("limits", `there is no limit "${name}" of a script`);
  }
  const options = Object.entries(processLimitBounds).flatMap(([name, bounds]) => {
    const value = limits[name as keyof ProcessLimits];
    if (value === undefined) return [];
    checkWhole("limits", value, bounds, `limits.${name}`);
    return [optionsOf[name as keyof ProcessLimits](value)];
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
  // At the first limit SIGXCPU, which says why; at the second SIGKILL.
  cpuSeconds: (seconds) => `--cpu=${seconds}:${seconds + 1}`,
  memoryBytes: (bytes) => `--as=${bytes}`,
  files: (count) => `--nofile=${count}`,
};

function checkWhole(field: string, value: unknown, { min, max }: { min: number; max: number }, what = field): void {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max) return;
  throw wrong(field, `${what} of a script must be a whole number from ${min} to ${max}`);
}

function wrong(field: string, sentence: string): IscepError {
  return new IscepError("configuration", sentence, { details: { field } });
}
