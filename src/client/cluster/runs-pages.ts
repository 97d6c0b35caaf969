/** One list of runs, made of the pages of several instances. */
import { IscepError } from "../../errors.js";
import type { RunRecord, RunsPage } from "../../model/run-record.js";

/**
 * Where the next page of each instance begins: behind this run, or at its first one. An instance that has no more runs
 * is left out.
 */
export type Positions = ReadonlyMap<string, string | undefined>;

const cursorPrefix = "cluster-";

export function encodePositions(positions: Positions): string {
  const pairs = [...positions].map(([instance, after]) => [instance, after ?? null]);
  return cursorPrefix + Buffer.from(JSON.stringify(pairs)).toString("base64url");
}

/** @throws IscepError `usage` for a cursor that did not come from a page of this service */
export function decodePositions(cursor: string): Positions {
  const wrong = new IscepError("usage", "`after` must be the `next` of an earlier page of the same service");
  if (!cursor.startsWith(cursorPrefix)) throw wrong;
  let pairs: unknown;
  try {
    pairs = JSON.parse(Buffer.from(cursor.slice(cursorPrefix.length), "base64url").toString());
  } catch (cause) {
    throw new IscepError("usage", wrong.message, { cause });
  }
  if (!Array.isArray(pairs)) throw wrong;
  return new Map(
    pairs.map((pair: unknown) => {
      const [instance, after] = Array.isArray(pair) ? (pair as unknown[]) : [];
      if (typeof instance !== "string" || (after !== null && typeof after !== "string")) throw wrong;
      return [instance, after ?? undefined] as const;
    }),
  );
}

/**
 * The newest runs of all pages, each once, and the cursor of the next page.
 * @param before where these pages began
 * @param missing instances that are there and did not answer; they are asked again for the next page
 */
export function mergePages(
  pages: ReadonlyMap<string, RunsPage>,
  before: Positions,
  limit: number,
  missing: readonly string[] = [],
): RunsPage {
  const heads = [...pages].map(([instance, page]) => ({ instance, page, taken: 0 }));
  const runs: RunRecord[] = [];
  const seen = new Set<string>();
  while (runs.length < limit) {
    let newest: (typeof heads)[number] | undefined;
    for (const head of heads) if (isNewer(head.page.runs[head.taken], newest?.page.runs[newest.taken])) newest = head;
    const run = newest?.page.runs[newest.taken];
    if (newest === undefined || run === undefined) break;
    newest.taken++;
    // Servers that share a runs folder know the same runs.
    if (!seen.has(run.run)) runs.push(run);
    seen.add(run.run);
    // The runs on its next page may be newer than those that the other instances still have here.
    if (newest.taken === newest.page.runs.length && newest.page.next !== undefined) break;
  }
  const next = new Map<string, string | undefined>();
  for (const { instance, page, taken } of heads) {
    if (taken === page.runs.length && page.next === undefined) continue;
    next.set(instance, taken === 0 ? before.get(instance) : page.runs[taken - 1]?.run);
  }
  const told = missing.length === 0 ? {} : { missing };
  // If nothing else is left, instances that do not answer would make pages without end.
  if (next.size === 0) return { runs, ...told };
  for (const instance of missing) next.set(instance, before.get(instance));
  return { runs, next: encodePositions(next), ...told };
}

function isNewer(run: RunRecord | undefined, other: RunRecord | undefined): boolean {
  if (run === undefined || other === undefined) return run !== undefined;
  if (run.startedAtMs !== other.startedAtMs) return run.startedAtMs > other.startedAtMs;
  return run.run > other.run;
}

/** The first of several items with one name counts. */
export function mergeByName<Item>(lists: readonly (readonly Item[])[], nameOf: (item: Item) => string): Item[] {
  const byName = new Map<string, Item>();
  for (const list of lists) for (const item of list) if (!byName.has(nameOf(item))) byName.set(nameOf(item), item);
  return [...byName.values()];
}
