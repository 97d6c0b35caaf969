import type { OtherWords } from "./other-words.js";

/** Finds the name that was probably meant, if one is near. */
export function nearName(given: string, names: Iterable<string>): string | undefined {
  // A third of the letters may differ. Names come from callers, so very long ones are not compared at all.
  let bestDistance = Math.floor(given.length / 3) + 1;
  let best: string | undefined;
  for (const name of names) {
    if (name.length > 200 || Math.abs(name.length - given.length) >= bestDistance) continue;
    const distance = editDistance(given.toLowerCase(), name.toLowerCase());
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

/** `; did you mean "x"?`, or the list of names if none is near. */
export function didYouMean(given: string, names: Iterable<string>, otherWords: OtherWords = {}): string {
  const meant = meantName(given, names, otherWords);
  if (meant !== undefined) return meant.includes(" ") ? `; ${meant}` : `; did you mean "${meant}"?`;
  const all = [...names].map((name) => `"${name}"`);
  return all.length === 0 ? "" : `; there ${all.length === 1 ? "is" : "are"} ${all.join(", ")}`;
}

/** Finds the name that was probably meant, or a sentence from the table of other words. */
export function meantName(given: string, names: Iterable<string>, otherWords: OtherWords = {}): string | undefined {
  const word = given.toLowerCase();
  return Object.hasOwn(otherWords, word) ? otherWords[word] : nearName(given, names);
}

/** Counts insertions, deletions, replacements, and swaps of neighbours. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      const candidates = [cell(last, j - 1) + (same ? 0 : 1), cell(last, j) + 1, cell(row, j - 1) + 1];
      if (a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) candidates.push(cell(beforeLast, j - 2) + 1);
      row.push(Math.min(...candidates));
    }
    beforeLast = last;
    last = row;
  }
  return cell(last, b.length);
}

function cell(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
