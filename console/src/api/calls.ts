/** The requests of this page, one function each. */
import { answerTimeoutMs, request, requestJson } from "./http.js";
import { toProblem } from "./problem.js";
import { listOf, objectOf, textOf, type JsonObject } from "./reading.js";
import type { TerminalSize } from "../output/terminal-screen.js";
import {
  readCommand,
  readRun,
  readRunsPage,
  readSchedule,
  readSession,
  type Command,
  type RunRecord,
  type RunsPage,
  type Schedule,
  type Session,
} from "./types.js";

export async function fetchSession(): Promise<Session> {
  return readSession(await requestJson("/session"));
}

export async function signIn(token: string): Promise<void> {
  await request("/session", { method: "POST", body: { token }, timeoutMs: answerTimeoutMs });
}

export async function signOut(): Promise<void> {
  await request("/session", { method: "DELETE" });
}

export async function fetchCommands(): Promise<readonly Command[]> {
  return listOf(objectOf(await requestJson("/commands"))["commands"]).map(readCommand);
}

/** Somebody types it while the command runs; on a terminal of this size. */
export interface TypedInputWish {
  readonly terminal?: TerminalSize | undefined;
}

/**
 * Starts a run that goes on without this page. The same key never starts a second one. With a text or a file as standard
 * input, the answer comes when the run has read it.
 */
export async function startRun(
  command: string,
  args: JsonObject,
  idempotencyKey: string,
  input?: Blob | TypedInputWish,
): Promise<string> {
  const isTyped = input !== undefined && !(input instanceof Blob);
  try {
    const answer = await requestJson(`/commands/${encodeURIComponent(command)}${isTyped ? queryOf(input) : ""}`, {
      method: "POST",
      body: input === undefined || isTyped ? args : partsOf(args, input),
      headers: { prefer: "respond-async", "idempotency-key": `"${idempotencyKey}"` },
    });
    return textOf(objectOf(answer)["run"]);
  } catch (error) {
    // A run that failed at once is a run all the same, with a page of its own.
    const { run, isOutcome } = toProblem(error).facts;
    if (run !== undefined && isOutcome === true) return run;
    throw error;
  }
}

function queryOf({ terminal }: TypedInputWish): string {
  if (terminal === undefined) return "?stdin=open";
  return `?stdin=open&columns=${terminal.columns}&rows=${terminal.rows}&term=xterm-256color`;
}

function partsOf(args: JsonObject, input: Blob): FormData {
  const parts = new FormData();
  parts.append("args", new Blob([JSON.stringify(args)], { type: "application/json" }));
  parts.append("stdin", input);
  return parts;
}

export interface RunsFilter {
  readonly command?: string;
  readonly status?: string;
  readonly owner?: string;
  readonly since?: number;
  readonly limit?: number;
  readonly cursor?: string;
}

export async function fetchRuns(filter: RunsFilter): Promise<RunsPage> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(filter)) {
    if (value === undefined || value === "") continue;
    query.set(name, name === "since" ? new Date(Number(value)).toISOString() : String(value));
  }
  return readRunsPage(await requestJson(`/runs?${query}`));
}

export async function fetchRun(run: string): Promise<RunRecord> {
  return readRun(await requestJson(`/runs/${encodeURIComponent(run)}`));
}

export async function cancelRun(run: string): Promise<void> {
  await request(`/runs/${encodeURIComponent(run)}`, { method: "DELETE" });
}

export async function fetchSchedules(): Promise<readonly Schedule[]> {
  return listOf(objectOf(await requestJson("/schedules"))["schedules"]).map(readSchedule);
}
