/**
 * Tells a screen reader what came: how much, and the last line. It speaks at most every few seconds, because a region
 * that says each line would never come to an end.
 */
import { useEffect } from "preact/hooks";
import type { LiveRun } from "../state/live-run.js";
import { announce } from "../state/announce.js";
import { countText } from "../words/time.js";

const everyMs = 4_000;
const maxSpokenCharacters = 160;

export function OutputTeller({ live }: { readonly live: LiveRun }): null {
  useEffect(() => {
    let told = 0;
    const timer = setInterval(() => {
      const { lineEnd } = live.model;
      if (lineEnd <= told || live.isComplete.value) return;
      const last = live.model.line(lineEnd - 1)?.text.slice(0, maxSpokenCharacters) ?? "";
      announce(`${countText(lineEnd - told, "new line")}. ${last}`);
      told = lineEnd;
    }, everyMs);
    return () => clearInterval(timer);
  }, [live]);
  return null;
}
