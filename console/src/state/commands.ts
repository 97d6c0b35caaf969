/** The commands that this token may run, fetched once and again when somebody looks at the list. */
import { signal } from "@preact/signals";
import { fetchCommands } from "../api/calls.js";
import type { Command } from "../api/types.js";

export const commands = signal<readonly Command[] | undefined>(undefined);

export async function loadCommands(): Promise<readonly Command[]> {
  const list = await fetchCommands();
  commands.value = list;
  return list;
}
