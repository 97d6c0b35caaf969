import type { CommandDescription } from "../../model/command.js";
import { readDescriptions } from "../../commands/describe.js";
import { IscepError } from "../../errors.js";
import { isJsonObject } from "../../wire/json.js";

/**
 * Reads all pages of a list of commands. The server says where the next page begins, and may be hostile: each page must
 * have something new, and must move on.
 * @throws IscepError `protocol`
 */
export async function listPages(
  ask: (after: string | undefined) => Promise<unknown>,
  maxCommands: number,
): Promise<CommandDescription[]> {
  const descriptions: CommandDescription[] = [];
  let after: string | undefined;
  do {
    const page = await ask(after);
    if (!isJsonObject(page)) throw new IscepError("protocol", "the server's list of commands is not an object");
    const found = readDescriptions(page["commands"]);
    const { next } = page;
    const movesOn = typeof next === "string" && found.length > 0 && (after === undefined || next > after);
    if (next !== undefined && !movesOn) {
      throw new IscepError("protocol", "the server's list of commands does not end");
    }
    for (const description of found) descriptions.push(description);
    if (descriptions.length > maxCommands)
      throw new IscepError("protocol", `the server's list has more than ${maxCommands} commands`);
    after = typeof next === "string" ? next : undefined;
  } while (after !== undefined);
  return descriptions;
}
