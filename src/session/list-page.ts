/**
 * Full discovery over version 1, by the command name `iscep.list`, which no user command can have. The original's
 * DISCOVER carries only names of types, and nothing may be added to it. An original server answers `iscep.list` with
 * "command not found", and the client then uses DISCOVER. The list comes in pages, because a version 1 packet is small
 * (PROTOCOL.md, "iscep.list").
 */
export const listCommandName = "iscep.list";

export interface ListPage<Description> {
  readonly commands: readonly Description[];
  /** The name to give as `after` for the next page. The last page has none. */
  readonly next?: string;
}

/** What a page may hold: its reader bounds the JSON by both. */
export interface PageRoom {
  readonly bytes: number;
  readonly keys: number;
}

/**
 * A page of descriptions: as many as there is room for, and at least one.
 * @param descriptions in the order of their names; no more of them are asked for than the page shows
 */
export function listPage<Description extends { readonly name: string }>(
  descriptions: Iterable<Description>,
  room: PageRoom,
): ListPage<Description> {
  const commands: Description[] = [];
  let { bytes, keys } = room;
  for (const description of descriptions) {
    bytes -= Buffer.byteLength(JSON.stringify(description)) + 1;
    keys -= keyCount(description);
    const last = commands.at(-1);
    if (last !== undefined && (bytes < 0 || keys < 0)) return { commands, next: last.name };
    commands.push(description);
  }
  return { commands };
}

function keyCount(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Object.values(value).reduce((sum: number, member) => sum + keyCount(member), own);
}
