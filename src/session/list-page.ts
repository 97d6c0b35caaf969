/**
 * Discovery in full over version 1: the command name `iscep.list`, which no user command can have. The original's
 * DISCOVER carries type names only and may not be extended; an original server answers this call with "command not
 * found", and the client then asks with DISCOVER. Pages, as a version 1 packet is small (PROTOCOL.md, "iscep.list").
 */
export const listCommandName = "iscep.list";

export interface ListPage<Description> {
  readonly commands: readonly Description[];
  /** The name to give as `after` for the next page; absent on the last one. */
  readonly next?: string;
}

/** As many descriptions as fit into `maxBytes` of JSON, at least one, of those that come behind the command `after`. */
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
