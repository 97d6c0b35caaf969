/** Keys that work everywhere but in fields, and the list of them. */
import { useEffect } from "preact/hooks";
import type { JSX } from "preact";
import { go, pathOf } from "../state/route.js";
import { Dialog } from "./dialog.js";

const areasByKey: Readonly<Record<string, string>> = {
  c: "commands",
  r: "runs",
  s: "schedules",
  a: "activity",
  t: "access",
};

const listed: readonly (readonly [keys: string, meaning: string])[] = [
  ["g c", "Commands"],
  ["g r", "Runs"],
  ["g s", "Schedules"],
  ["g a", "Activity"],
  ["g t", "Access of this token"],
  ["/", "Search in the list or the output"],
  ["Enter", "Next hit in the output; with Shift the one before"],
  ["f", "Follow the output, or stop following"],
  ["Ctrl Enter", "Run the command of the form"],
  ["Shift Escape", "Leave the terminal of a run"],
  ["?", "This list"],
];

export function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(?:INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) &&
    target.getAttribute("type") !== "radio" &&
    target.getAttribute("type") !== "checkbox"
  );
}

/** `g` and a second key lead to an area. */
export function useShortcuts(openHelp: () => void): void {
  useEffect(() => {
    let first = "";
    let timer: ReturnType<typeof setTimeout> | undefined;
    const press = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || event.defaultPrevented) return;
      if (document.querySelector("dialog[open]") !== null) return;
      clearTimeout(timer);
      const before = first;
      first = "";
      const area = areasByKey[event.key];
      if (before === "g" && area !== undefined) {
        event.preventDefault();
        go(pathOf(area));
      } else if (event.key === "g") {
        first = "g";
        timer = setTimeout(() => (first = ""), 1_500);
      } else if (event.key === "?") {
        event.preventDefault();
        openHelp();
      } else if (event.key === "/") {
        const field = document.querySelector<HTMLElement>("[data-search]");
        if (field === null) return;
        event.preventDefault();
        field.focus();
      }
    };
    addEventListener("keydown", press);
    return () => {
      removeEventListener("keydown", press);
      clearTimeout(timer);
    };
  }, []);
}

export function ShortcutsDialog({ onClose }: { readonly onClose: () => void }): JSX.Element {
  return (
    <Dialog title="Keyboard" onClose={onClose}>
      <dl class="keys">
        {listed.map(([keys, meaning]) => (
          <div key={keys}>
            <dt>
              {keys.split(" ").map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
      <div class="actions">
        <button type="button" class="button" onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}
