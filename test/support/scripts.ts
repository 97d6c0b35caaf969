/** Real programs in a temporary folder, and a look at the system for what they leave behind. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import type { ScriptCommand } from "#iscep/model/command";
import { defaultLimits } from "#iscep/limits/limits";
import type { Outcome, ScriptResult } from "#iscep/model/outcome";
import { runScript, type ScriptRunOptions } from "#iscep/runs/script/run-script";
import { createRunId } from "#iscep/runs/run/run-id";
import { temporaryFolder } from "./temporary-folder.js";

interface CommandChanges extends Partial<ScriptCommand> {
  readonly argv?: (args: unknown) => string[];
}

function texts(args: unknown): string[] {
  return Array.isArray(args) ? args.map(String) : [];
}

/** An executable file in a folder of its own, which is also its working folder. Its arguments are those of the call. */
export function script(text: string, { argv = texts, ...changes }: CommandChanges = {}): ScriptCommand {
  const folder = temporaryFolder();
  const program = path.join(folder, "program");
  writeFileSync(program, text, { mode: 0o700 });
  const { environment = { PATH: process.env["PATH"] ?? "/usr/bin:/bin" } } = changes;
  return {
    kind: "script",
    name: "test_script",
    description: "",
    argsSchema: { type: "object" },
    checkArguments: (args) => ({ ok: true, args }),
    program,
    invocation: (args) => ({ argv: argv(args), environment, descriptors: [], secrets: [] }),
    folder,
    environment,
    ...changes,
  };
}

export function shell(lines: string, changes: CommandChanges = {}): ScriptCommand {
  return script(`#!/bin/sh\n${lines}\n`, changes);
}

export function node(lines: string, changes: CommandChanges = {}): ScriptCommand {
  return script(`#!${process.execPath}\n${lines}\n`, changes);
}

export interface Changes extends Partial<Omit<ScriptRunOptions, "limits">> {
  readonly args?: unknown;
  readonly limits?: Partial<ScriptRunOptions["limits"]>;
}

export function run(command: ScriptCommand, { args = [], limits = {}, ...changes }: Changes = {}): Promise<Outcome> {
  return runScript(command, args, {
    runId: createRunId(),
    timeoutMs: 60_000,
    signal: new AbortController().signal,
    ...changes,
    limits: { ...defaultLimits, ...limits },
  });
}

export function resultOf(outcome: Outcome): ScriptResult {
  const value = "value" in outcome ? outcome.value : undefined;
  if (!isResult(value)) throw new Error(`the outcome has no result of a script: ${JSON.stringify(outcome)}`);
  return value;
}

function isResult(value: unknown): value is ScriptResult {
  return typeof value === "object" && value !== null && "stdout" in value && "truncated" in value;
}
