/**
 * What a token may do: `discover`, `run:GLOB` on names of commands, and `jobs:own` or `jobs:all`. In a glob, `*` stands
 * for any characters and `?` for exactly one (UTF-16 unit). Everything else stands for itself.
 */
import { quoteUnlessToken } from "./tokens.js";

export const defaultScopes: readonly string[] = Object.freeze(["discover", "run:*"]);

export interface Permissions {
  readonly mayDiscover: boolean;
  readonly jobs: "none" | "own" | "all";
  readonly mayRun: (command: string) => boolean;
}

/** A sentence that says what is wrong with a scope, or undefined when it is valid. */
export function scopeProblem(scope: string): string | undefined {
  if (scope === "discover" || scope === "jobs:own" || scope === "jobs:all") return undefined;
  if (scope.startsWith("run:")) {
    return scope.length > "run:".length ? undefined : '"run:" needs a pattern, as in "run:backup_*"';
  }
  return `${quoteUnlessToken(scope)} is not a scope; there are "discover", "run:PATTERN", "jobs:own" and "jobs:all"`;
}

/** `scopeProblem` must have checked the scopes. Text that is not a scope grants nothing. */
export function compileScopes(scopes: readonly string[]): Permissions {
  const globs = scopes.filter((scope) => scope.startsWith("run:")).map((scope) => scope.slice("run:".length));
  const mayRun = globs.includes("*")
    ? () => true
    : (command: string) => globs.some((glob) => matchesGlob(glob, command));
  return {
    mayDiscover: scopes.includes("discover"),
    jobs: scopes.includes("jobs:all") ? "all" : scopes.includes("jobs:own") ? "own" : "none",
    mayRun,
  };
}

/**
 * After a mismatch, only the last `*` is tried one character further, because an earlier one could not do better. A
 * caller chooses the text. This way it is never walked more often than the longest part of the glob, which the file's
 * owner chose.
 */
export function matchesGlob(glob: string, text: string): boolean {
  let atGlob = 0;
  let atText = 0;
  let star = -1;
  let starText = 0;
  while (atText < text.length) {
    const wanted = glob[atGlob];
    if (wanted === "*") {
      star = atGlob++;
      starText = atText;
    } else if (wanted !== undefined && (wanted === "?" || wanted === text[atText])) {
      atGlob++;
      atText++;
    } else if (star !== -1) {
      atGlob = star + 1;
      atText = ++starText;
    } else {
      return false;
    }
  }
  while (glob[atGlob] === "*") atGlob++;
  return atGlob === glob.length;
}
