/** What the author of a command says of its effects, for programs that show it to a person or to a model. */

/** The doors that a command can be hidden from. */
export const hidingDoors = ["mcp"] as const;
export type HidingDoor = (typeof hidingDoors)[number];

/**
 * The server tells these flags and does not act on them: it cannot see whether a person was asked. They are no
 * rights, which only scopes of tokens are.
 */
export interface CommandFlags {
  /** A program that shows the command to a person or a model asks a person before it runs. A text is what it asks about. */
  readonly confirm?: true | string;
  /** The command changes nothing. */
  readonly readOnly?: true;
  /** Running it twice with the same arguments changes no more than running it once. */
  readonly idempotent?: true;
  /** Doors that do not offer it. */
  readonly hiddenFrom?: readonly HidingDoor[];
}

/** The flags alone, of a command or of its description. */
export function flagsOf({ confirm, readOnly, idempotent, hiddenFrom }: CommandFlags): CommandFlags {
  return {
    ...(confirm === undefined ? {} : { confirm }),
    ...(readOnly === undefined ? {} : { readOnly }),
    ...(idempotent === undefined ? {} : { idempotent }),
    ...(hiddenFrom === undefined ? {} : { hiddenFrom }),
  };
}

/** Reads flags from the other side. A flag that cannot be read is left out, and so are doors of a newer server. */
export function readFlags({
  confirm,
  readOnly,
  idempotent,
  hiddenFrom,
}: Readonly<Record<string, unknown>>): CommandFlags {
  const hidden = Array.isArray(hiddenFrom) ? hidingDoors.filter((door) => hiddenFrom.includes(door)) : [];
  return {
    ...(confirm === true || (typeof confirm === "string" && confirm !== "") ? { confirm } : {}),
    ...(readOnly === true ? { readOnly } : {}),
    ...(idempotent === true ? { idempotent } : {}),
    ...(hidden.length === 0 ? {} : { hiddenFrom: hidden }),
  };
}

/** What a person is asked about: the author's own words where they gave some. It ends as a sentence does. */
export function confirmationSentence(command: {
  readonly name: string;
  readonly description: string;
  readonly confirm?: true | string;
}): string {
  const { name, description, confirm } = command;
  const words =
    typeof confirm === "string" ? confirm : `This runs "${name}"${description === "" ? "" : `: ${description}`}`;
  return /[.!?]\s*$/.test(words) ? words.trim() : `${words.trim()}.`;
}
