/** Real programs in a temporary folder, and a look at the system for what they leave behind. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ScriptCommand } from "#iscep/model/command";
import { defaultLimits } from "#iscep/limits/limits";
import type { Outcome, ScriptResult } from "#iscep/model/outcome";
import { runScript, type ScriptRunOptions } from "#iscep/runs/script/run-script";
import { createRunId } from "#iscep/runs/run/run-id";
import { later } from "./cleanup.js";

export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "iscep-runs-"));
  later(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

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

/** Processes of a run that are there and are no zombies. */
export function processesOf(runId: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(`ISCEP_RUN=${runId}`);
      } catch {
        return false; // it has ended meanwhile, or is somebody else's
      }
    })
    .map(Number);
}

/** Nothing of the run is left, nor will be: what was killed may take the system a moment. */
export async function expectGone(runId: string): Promise<void> {
  await until(() => processesOf(runId).length === 0, `processes of the run are left: ${processesOf(runId).join(", ")}`);
}

export function appears(file: string): Promise<void> {
  return until(() => existsSync(file), `${path.basename(file)} did not appear`);
}

export async function until(condition: () => boolean, complaint: string): Promise<void> {
  for (let tries = 0; tries < 1_000; tries++) {
    if (condition()) return;
    await sleep(10);
  }
  throw new Error(complaint);
}
