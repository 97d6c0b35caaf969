/**
 * Tells a screen reader what came: how much, and the last line. It speaks at most every few seconds, because a region
 * that says each line would never come to an end.
 */
import { useEffect } from "preact/hooks";
import type { LiveRun } from "../state/live-run.js";
import { announce } from "../state/announce.js";
import { countText } from "../words/time.js";

const everyMs = 4_000;
/** Somebody who types waits for the answer. */
const everyTypedMs = 1_500;
const maxSpokenCharacters = 160;

export function OutputTeller({ live }: { readonly live: LiveRun }): null {
  const isTyped = live.typing.value !== undefined;
  useEffect(() => {
    let told = 0;
    let toldText = "";
    const tell = (): void => {
      const { terminal, lineEnd } = live.model;
      if (live.isComplete.value) return;
      // All rows of a terminal are there from the beginning, and what is new stands at the cursor.
      const end = terminal === undefined ? lineEnd : terminal.cursor.line + 1;
      const last = live.model.line(end - 1)?.text.slice(0, maxSpokenCharacters) ?? "";
      const count = end - told;
      if (count <= 0 && (terminal === undefined || last === toldText)) return;
      announce(count > 0 ? `${countText(count, "new line")}. ${last}` : last);
      told = end;
      toldText = last;
    };
    const timer = setInterval(tell, isTyped ? everyTypedMs : everyMs);
    return () => clearInterval(timer);
  }, [live, isTyped]);
  return null;
}
