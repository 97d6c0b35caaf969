/** Checks the flags in a definition. */
import { IscepError } from "../errors.js";
import { hidingDoors, type CommandFlags, type HidingDoor } from "../model/command-flags.js";
import { didYouMean } from "../text/near-name.js";

export interface FlagsDefinition {
  /**
   * `iscep call`, the console and MCP ask a person before the command runs. A sentence is what they ask about; write
   * what happens. A call from a program asks nobody. Default: false.
   */
  readonly confirm?: boolean | string;
  /** The command changes nothing, so a model may run it without asking. Default: false. */
  readonly readOnly?: boolean;
  /** Running it twice with the same arguments changes no more than running it once. Default: false. */
  readonly idempotent?: boolean;
  /**
   * The doors that do not offer the command; there is `mcp`. This takes no right away: scopes of tokens do. Default:
   * none.
   */
  readonly hiddenFrom?: readonly HidingDoor[];
}

export const flagOptions = {
  confirm: true,
  readOnly: true,
  idempotent: true,
  hiddenFrom: true,
} as const satisfies Record<keyof FlagsDefinition, true>;

/** @throws IscepError `usage`, with the name of the flag in `details` as `field` */
export function flagMembers(name: string, definition: FlagsDefinition): CommandFlags {
  const { confirm = false, readOnly = false, idempotent = false } = definition;
  const hiddenFrom: unknown = definition.hiddenFrom ?? [];
  const wrong = (field: string, sentence: string): IscepError =>
    new IscepError("usage", `${field} of "${name}" ${sentence}`, { details: { field } });
  if (typeof confirm !== "boolean" && (typeof confirm !== "string" || confirm.trim() === ""))
    throw wrong("confirm", "must be true, or a sentence that says what happens");
  for (const [field, value] of Object.entries({ readOnly, idempotent }))
    if (typeof value !== "boolean") throw wrong(field, "must be true or false");
  if (!Array.isArray(hiddenFrom)) throw wrong("hiddenFrom", `must be a list of doors: ${hidingDoors.join(", ")}`);
  const doors = hiddenFrom.map((door: unknown) => {
    const known = hidingDoors.find((name) => name === door);
    if (known !== undefined) return known;
    const given = typeof door === "string" ? `"${door}"${didYouMean(door, hidingDoors)}` : "what is no text";
    throw wrong("hiddenFrom", `names ${given}; it can name ${hidingDoors.join(", ")}`);
  });
  return {
    ...(confirm === false ? {} : { confirm }),
    ...(readOnly ? { readOnly } : {}),
    ...(idempotent ? { idempotent } : {}),
    ...(doors.length === 0 ? {} : { hiddenFrom: Object.freeze([...new Set(doors)]) }),
  };
}
