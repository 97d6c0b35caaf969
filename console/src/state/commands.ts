/** The commands that this token may run, fetched once and again when somebody looks at the list. */
import { signal } from "@preact/signals";
import { fetchCommands } from "../api/calls.js";
import type { Command } from "../api/types.js";
import { sessionState } from "./session.js";

export const commands = signal<readonly Command[] | undefined>(undefined);

export async function loadCommands(): Promise<readonly Command[]> {
  const { value: session } = sessionState;
  const list = await fetchCommands();
  // Somebody else may have signed in meanwhile.
  if (sessionState.value === session) commands.value = list;
  return list;
}

export function forgetCommands(): void {
  commands.value = undefined;
}
