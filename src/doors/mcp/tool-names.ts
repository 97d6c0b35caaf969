/**
 * Names of tools. A command may be called `world:backup.now`, with up to 128 characters. Clients join the names of
 * server and tool and take 60 to 64 characters, and the interfaces of models take no dot and no colon.
 */
import { createHash } from "node:crypto";

/** The longest name of a tool. */
export const longestToolName = 40;
const markLength = 8;

/**
 * The command of each tool. A name that a tool can have stays as it is. A name that must change also gets a mark of its
 * own when another command or one of `reserved` would have the same, so no two commands can be taken for each other.
 * The same commands always give the same tools.
 */
export function commandsOfTools(commands: readonly string[], reserved: readonly string[]): Map<string, string> {
  const taken = new Set(reserved);
  const tools = new Map<string, string>();
  const take = (tool: string, command: string): void => {
    taken.add(tool);
    tools.set(tool, command);
  };
  const changed: string[] = [];
  for (const command of commands) {
    if (plainName(command) === command && !taken.has(command)) take(command, command);
    else changed.push(command);
  }
  const wanted = new Map<string, number>();
  for (const command of changed) {
    const name = plainName(command);
    wanted.set(name, (wanted.get(name) ?? 0) + 1);
  }
  const marked: string[] = [];
  for (const command of changed) {
    const name = plainName(command);
    const isShared = (wanted.get(name) ?? 0) > 1 || taken.has(name) || command.length > longestToolName;
    if (isShared) marked.push(command);
    else take(name, command);
  }
  for (const command of marked.toSorted()) {
    let attempt = 0;
    while (taken.has(markedName(command, attempt))) attempt++;
    take(markedName(command, attempt), command);
  }
  return tools;
}

/** The name in characters that a tool may have. Two commands may still get the same. */
function plainName(command: string): string {
  return command.replaceAll(/[^A-Za-z0-9_-]/g, "_").slice(0, longestToolName);
}

function markedName(command: string, attempt: number): string {
  const mark = createHash("sha256").update(`${attempt} ${command}`).digest("hex").slice(0, markLength);
  return `${plainName(command).slice(0, longestToolName - markLength - 1)}_${mark}`;
}
