/**
 * Finds the first key that an object has twice, in text that JSON.parse has accepted. JSON.parse silently takes the
 * last one. So of two tokens of an owner, the one that a person meant to remove could stay.
 */
export function duplicateKey(json: string): { readonly key: string; readonly depth: number } | undefined {
  const open: (Set<string> | undefined)[] = []; // undefined for an array
  let text: string | undefined;
  for (const [piece] of json.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:,]/g)) {
    if (piece === "{") open.push(new Set());
    else if (piece === "[") open.push(undefined);
    else if (piece === "}" || piece === "]") open.pop();
    else if (piece === ":") {
      const keys = open.at(-1);
      const key: unknown = JSON.parse(text ?? '""'); // "a" and "\u0061" are the same key
      if (typeof key !== "string" || keys === undefined) continue;
      if (keys.has(key)) return { key, depth: open.length };
      keys.add(key);
    } else if (piece !== ",") text = piece;
  }
  return undefined;
}
