/**
 * Text as cells of a terminal, one for each unit of UTF-16, which is what lines count in. Characters of two columns get a
 * filler behind them. Those of two units, such as most pictures, have two columns already.
 */
import { filler, runOf, startOf, styleOf, type Line } from "./line.js";

/** Before these, all are one column wide. */
const special = /[\u0300-\u036f\u1100-\uffff]/;
/** Letters and signs of East Asia, and pictures, that are two columns wide (Unicode, UAX 11: W and F). */
const wide =
  /[\u1100-\u115f\u231a\u231b\u2329\u232a\u23e9-\u23ec\u23f0\u23f3\u25fd\u25fe\u2614\u2615\u2648-\u2653\u267f\u2693\u26a1\u26aa\u26ab\u26bd\u26be\u26c4\u26c5\u26ce\u26d4\u26ea\u26f2\u26f3\u26f5\u26fa\u26fd\u2705\u270a\u270b\u2728\u274c\u274e\u2753-\u2755\u2757\u2795-\u2797\u27b0\u27bf\u2b1b\u2b1c\u2b50\u2b55\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6]/g;
/** They change how the character before them looks, and have no column. */
const selectors = /\u200d|\ufe0e|\ufe0f|\uffff/g;

export function cellsOf(text: string): string {
  if (!special.test(text)) return text;
  // An accent of its own has no column. With its letter it is one character.
  return text.normalize("NFC").replace(selectors, "").replace(wide, `$&${filler}`);
}

/** The line without fillers. */
export function lineOfCells(line: Line): Line {
  const { text, runs } = line;
  if (!text.includes(filler)) return line;
  let shown = "";
  const gone: number[] = [];
  for (let at = 0; at < text.length; at++) {
    const unit = text.charAt(at);
    gone.push(at - shown.length);
    if (unit !== filler) shown += unit;
  }
  return {
    text: shown,
    runs: Array.from(runs, (run) => runOf(startOf(run) - (gone[startOf(run)] ?? 0), styleOf(run))),
  };
}
