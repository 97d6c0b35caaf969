/**
 * What a token may do:
 *
 *     discover                          list the commands that it may run
 *     run:PATTERN                       run commands of such names
 *     run:PATTERN(ARGUMENT=PATTERN,…)   run them with such values only
 *     runs:PATTERN, runs:all            see, follow and cancel runs of such commands, of every owner
 *     metrics                           read the metrics of the server, as runs:all may too
 *
 * A PATTERN is that of glob.ts.
 */
import type { ArgumentRules } from "../model/identity.js";
import { parseArgumentRules } from "./argument-rules.js";
import { matchesGlob } from "./glob.js";
import { quoteUnlessToken } from "./tokens.js";

export const defaultScopes: readonly string[] = Object.freeze(["discover", "run:*"]);
/** The scopes of people who look after a server: they see what goes on, and run nothing. */
export const operatorScopes: readonly string[] = Object.freeze(["discover", "runs:all"]);

export interface Permissions {
  readonly mayDiscover: boolean;
  readonly mayRun: (command: string) => boolean;
  /** undefined: with all values. Otherwise one of the rules must fit. */
  readonly argumentRules: (command: string) => readonly ArgumentRules[] | undefined;
  readonly maySeeRunsOf: (command: string) => boolean;
  readonly mayReadMetrics: boolean;
}

interface RunScope {
  readonly glob: string;
  readonly rules: ArgumentRules | undefined;
}

/** A sentence that says what is wrong with a scope, or undefined if it is a scope. */
export function scopeProblem(scope: string): string | undefined {
  if (scope === "discover" || scope === "metrics") return undefined;
  if (scope.startsWith("run:")) return runScopeProblem(scope.slice("run:".length));
  if (scope.startsWith("runs:")) {
    return scope.length > "runs:".length ? undefined : '"runs:" needs a pattern, as in "runs:backup_*", or "runs:all"';
  }
  const instead = /^jobs:(?:own|all)$/.test(scope)
    ? "; an owner always sees their own runs, and runs:all shows those of every owner"
    : "";
  return `${quoteUnlessToken(scope)} is not a scope; there are "discover", "run:PATTERN", "run:PATTERN(ARGUMENT=PATTERN)", "runs:PATTERN", "runs:all" and "metrics"${instead}`;
}

function runScopeProblem(text: string): string | undefined {
  if (text === "") return '"run:" needs a pattern, as in "run:backup_*"';
  if (readRunScope(text) !== undefined) return undefined;
  const scope = quoteUnlessToken(`run:${text}`);
  if (/[()]/.test(text))
    return `${scope} is not a scope; values are bound as in "run:backup_world(world=nether*,keep=1)"`;
  return `${scope} is not a scope: a pattern has neither commas nor spaces; write a scope for each pattern`;
}

function readRunScope(text: string): RunScope | undefined {
  const [, glob, bound] = /^([^()\s,]+)(?:\((.*)\))?$/s.exec(text) ?? [];
  if (glob === undefined) return undefined;
  if (bound === undefined) return { glob, rules: undefined };
  const rules = parseArgumentRules(bound);
  return rules === undefined ? undefined : { glob, rules };
}

/** `scopeProblem` must have checked the scopes. Text that is not a scope grants nothing. */
export function compileScopes(scopes: readonly string[]): Permissions {
  const after = (prefix: string): string[] =>
    scopes.filter((scope) => scope.startsWith(prefix)).map((scope) => scope.slice(prefix.length));
  const runScopes = after("run:").flatMap((text) => readRunScope(text) ?? []);
  const mayRunWithAll = matcher(runScopes.flatMap(({ glob, rules }) => (rules === undefined ? glob : [])));
  const seen = after("runs:").map((glob) => (glob === "all" ? "*" : glob));
  return {
    mayDiscover: scopes.includes("discover"),
    mayRun: matcher(runScopes.map(({ glob }) => glob)),
    argumentRules: (command) => {
      if (mayRunWithAll(command)) return undefined;
      return runScopes.flatMap(({ glob, rules }) => (rules !== undefined && matchesGlob(glob, command) ? [rules] : []));
    },
    maySeeRunsOf: matcher(seen),
    mayReadMetrics: scopes.includes("metrics") || seen.includes("*"),
  };
}

function matcher(globs: readonly string[]): (name: string) => boolean {
  return globs.includes("*") ? () => true : (name) => globs.some((glob) => matchesGlob(glob, name));
}

/** What a scope allows, as a sentence for people. */
export function scopeSays(scope: string): string {
  if (scope === "discover") return "list the commands that it may run";
  if (scope === "metrics") return "read the metrics of the server";
  if (scope.startsWith("runs:")) {
    const glob = scope.slice("runs:".length);
    const which = glob === "all" || glob === "*" ? "all commands" : `commands named ${glob}`;
    return `see, follow and cancel the runs of ${which}, of every owner`;
  }
  const run = scope.startsWith("run:") ? readRunScope(scope.slice("run:".length)) : undefined;
  if (run === undefined) return "nothing: this is no scope";
  const which = run.glob === "*" ? "all commands" : `commands named ${run.glob}`;
  if (run.rules === undefined) return `run ${which}`;
  const values = [...run.rules].map(([argument, pattern]) => `${argument} is ${pattern}`);
  return `run ${which} when ${values.join(" and ")}`;
}

/** Picks the scopes that let a caller run this command. */
export function scopesForRunning(command: string, scopes: readonly string[]): string[] {
  return scopes.filter((scope) => compileScopes([scope]).mayRun(command));
}
