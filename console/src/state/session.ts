/** Who is signed in here. */
import { signal } from "@preact/signals";
import { fetchSession, signIn, signOut } from "../api/calls.js";
import { onServerAnswer } from "../api/http.js";
import { toProblem, type Problem } from "../api/problem.js";
import type { Session } from "../api/types.js";
import { forgetRememberedRuns } from "./remembered-runs.js";
import { forgetSizes } from "./terminal-sizes.js";

export type SessionState =
  | { readonly kind: "unknown" }
  | { readonly kind: "signed out"; readonly hasExpired: boolean }
  | { readonly kind: "unreachable"; readonly problem: Problem }
  | { readonly kind: "signed in"; readonly session: Session };

export const sessionState = signal<SessionState>({ kind: "unknown" });

export async function openSession(): Promise<void> {
  try {
    sessionState.value = { kind: "signed in", session: await fetchSession() };
  } catch (error) {
    const problem = toProblem(error);
    const isRefused = problem.facts.status === 401 || problem.facts.status === 403;
    sessionState.value = isRefused ? { kind: "signed out", hasExpired: false } : { kind: "unreachable", problem };
  }
}

/** @throws Problem when the server does not accept the token */
export async function enter(token: string): Promise<void> {
  await signIn(token);
  sessionState.value = { kind: "signed in", session: await fetchSession() };
}

export async function leave(): Promise<void> {
  await signOut().catch(() => undefined);
  forgetRememberedRuns();
  forgetSizes();
  sessionState.value = { kind: "signed out", hasExpired: false };
}

export function watchSession(): void {
  onServerAnswer((event) => {
    if (event === "signed out" && sessionState.value.kind === "signed in")
      sessionState.value = { kind: "signed out", hasExpired: true };
  });
}
