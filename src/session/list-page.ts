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

/**
 * A page of the descriptions that come behind the command `after`: as many as fit into `maxBytes` of JSON, and at least
 * one.
 */
export function listPage<Description extends { readonly name: string }>(
  descriptions: readonly Description[],
  after: string | undefined,
  maxBytes: number,
): ListPage<Description> {
  const sorted = [...descriptions].sort((a, b) => (a.name < b.name ? -1 : 1));
  const remaining = after === undefined ? sorted : sorted.filter((description) => description.name > after);
  const commands: Description[] = [];
  let bytes = 0;
  for (const description of remaining) {
    bytes += Buffer.byteLength(JSON.stringify(description)) + 1;
    if (commands.length > 0 && bytes > maxBytes) {
      const last = commands.at(-1);
      return last === undefined ? { commands } : { commands, next: last.name };
    }
    commands.push(description);
  }
  return { commands };
}
