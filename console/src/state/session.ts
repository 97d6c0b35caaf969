/** Who is signed in here. */
import { signal } from "@preact/signals";
import { fetchSession, signIn, signOut } from "../api/calls.js";
import { onServerAnswer } from "../api/http.js";
import { Problem, toProblem } from "../api/problem.js";
import type { Session } from "../api/types.js";
import { forgetRememberedRuns } from "./remembered-runs.js";
import { forgetSizes } from "./terminal-sizes.js";

export interface UnreachableState {
  readonly kind: "unreachable";
  readonly problem: Problem;
  /** It is done when the server is back, and when the person wants it. */
  readonly again: () => Promise<void>;
}

export type SessionState =
  | { readonly kind: "unknown" }
  | { readonly kind: "signed out"; readonly hasExpired: boolean }
  | UnreachableState
  | { readonly kind: "signed in"; readonly session: Session };

export const sessionState = signal<SessionState>({ kind: "unknown" });

export async function openSession(): Promise<void> {
  try {
    sessionState.value = { kind: "signed in", session: await fetchSession() };
  } catch (error) {
    const problem = toProblem(error);
    const isRefused = problem.facts.status === 401 || problem.facts.status === 403;
    sessionState.value = isRefused
      ? { kind: "signed out", hasExpired: false }
      : { kind: "unreachable", problem, again: openSession };
  }
}

/** @throws Problem when the server does not accept the token */
export async function enter(token: string): Promise<void> {
  await signIn(token);
  sessionState.value = { kind: "signed in", session: await fetchSession() };
}

export async function leave(): Promise<void> {
  forgetRememberedRuns();
  forgetSizes();
  try {
    await signOut();
    sessionState.value = { kind: "signed out", hasExpired: false };
  } catch (error) {
    // No script can remove the cookie, which still counts. Somebody who leaves now must know that.
    const { facts } = toProblem(error);
    const detail = `You are not signed out yet. ${facts.detail}`;
    const action =
      "This page tries again when the server answers. Until then, whoever opens it here is signed in as you.";
    sessionState.value = {
      kind: "unreachable",
      problem: new Problem({ ...facts, detail, action }, error),
      again: leave,
    };
  }
}

export function watchSession(): void {
  onServerAnswer((event) => {
    if (event === "unauthorized") void look();
  });
}

let isLooking = false;

/** A good token may still be refused one thing: the list of commands, or a value that it must not use. */
async function look(): Promise<void> {
  if (isLooking || sessionState.value.kind !== "signed in") return;
  isLooking = true;
  const problem = await fetchSession().then(() => undefined, toProblem);
  isLooking = false;
  if (problem?.facts.status === 401 && sessionState.value.kind === "signed in")
    sessionState.value = { kind: "signed out", hasExpired: true };
}
