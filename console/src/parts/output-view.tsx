/** The output of a run: only the rows that can be seen are drawn, so its length does not matter. */
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { JSX } from "preact";
import { isAtEnd, lineHash, readLineHash, visibleRows } from "../output/follow.js";
import type { LiveRun } from "../state/live-run.js";
import { go, route } from "../state/route.js";
import { visibleLine } from "../../../src/text/visible-text.js";
import { countText } from "../words/time.js";
import { copyLines } from "./copy.js";
import { Icon } from "./icon.js";
import { OutputLine } from "./output-line.js";
import { OutputTools } from "./output-tools.js";
import { useOutputSearch } from "./output-search.js";
import { isTyping } from "./shortcuts.js";
import { TerminalBar } from "./terminal-bar.js";
import { TerminalField } from "./terminal-field.js";
import { useTerminalTyping } from "./terminal-typing.js";
import { rowHeight } from "../typing/fitting-size.js";

function emptyWords(isComplete: boolean, outputBytes: number): string {
  if (!isComplete) return "Nothing was printed yet.";
  return outputBytes === 0 ? "This run printed nothing." : "This run cleared all that it showed. The download has it.";
}

/** Keys that have to do with a selection, and those that change nothing alone. */
function isForSelection({ key, ctrlKey, metaKey }: KeyboardEvent): boolean {
  return metaKey || (ctrlKey && /^[ac]$/i.test(key)) || /^(?:Control|Shift|Alt|Meta|AltGraph|CapsLock)$/.test(key);
}

export function OutputView({ live }: { readonly live: LiveRun }): JSX.Element {
  const { model } = live;
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ scrollTop: 0, height: 600 });
  const wanted = readLineHash(route.value.hash);
  const [isFollowing, setFollowing] = useState(wanted === undefined);
  const [widest, setWidest] = useState(0);
  const search = useOutputSearch(live);
  const typed = useTerminalTyping(live, box, () => setFollowing(true));
  const hasJumped = useRef(false);
  const selectAll = useRef(false);
  // Reading it makes this view draw again when something came.
  void live.drawn.value;
  const isComplete = live.isComplete.value;
  const { first, lineEnd } = model;
  const rowCount = lineEnd - first;

  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const measure = (): void => setView({ scrollTop: element.scrollTop, height: element.clientHeight });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const showLine = useCallback((number: number): void => {
    const element = box.current;
    if (element === null) return;
    element.scrollTop = Math.max(0, (number - model.first) * rowHeight - element.clientHeight / 3);
  }, []);

  useLayoutEffect(() => {
    const element = box.current;
    if (element !== null && isFollowing) element.scrollTop = element.scrollHeight;
  }, [isFollowing, rowCount, view.height]);

  // A link to a line waits until the line is there.
  useEffect(() => {
    if (hasJumped.current || wanted === undefined || lineEnd <= wanted.to) return;
    hasJumped.current = true;
    showLine(wanted.from);
  }, [lineEnd, wanted?.from]);

  useEffect(() => {
    if (search.current === undefined) return;
    setFollowing(false);
    showLine(search.current);
  }, [search.current]);

  // Only a scroll by the person stops the following. The box scrolls by itself when rows come.
  const scrolled = (): void => {
    const element = box.current;
    if (element === null) return;
    const next = { scrollTop: element.scrollTop, height: element.clientHeight };
    if (isAtEnd({ ...next, rowHeight, rowCount: model.lineEnd - model.first }))
      setFollowing(!isComplete || isFollowing);
    else if (next.scrollTop < view.scrollTop) setFollowing(false);
    setView(next);
  };

  const pressed = (event: KeyboardEvent): void => {
    if (event.target !== box.current) return;
    const isAll = event.key === "a" && (event.ctrlKey || event.metaKey);
    selectAll.current = isAll || (selectAll.current && (event.ctrlKey || event.metaKey));
    if (isAll && box.current !== null) {
      event.preventDefault();
      getSelection()?.selectAllChildren(box.current);
    } else if (typed !== undefined && !isForSelection(event)) {
      // Somebody has selected text, and types on.
      typed.keyboard.focus();
      typed.keyboard.keyDown(event);
    }
  };

  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      if (event.key !== "f" || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      setFollowing((before) => !before);
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);

  const clicked = (event: MouseEvent): void => {
    selectAll.current = false;
    if (getSelection()?.isCollapsed !== false) typed?.keyboard.focus();
    const target = event.target instanceof Element ? event.target.closest<HTMLElement>("a.line-number") : null;
    if (target === null) return;
    event.preventDefault();
    const number = Number(target.dataset["number"]) - 1;
    const hash = event.shiftKey && wanted !== undefined ? lineHash(wanted.from, number) : lineHash(number);
    hasJumped.current = true;
    go(`${location.pathname}${location.search}#${hash}`, { replace: true });
  };

  const copied = (event: ClipboardEvent): void => {
    if (!selectAll.current) return;
    event.preventDefault();
    event.clipboardData?.setData("text/plain", [...model.textOf(first, lineEnd)].join(""));
  };

  const { start, end } = visibleRows({ ...view, rowHeight, rowCount });
  const rows: JSX.Element[] = [];
  let columns = widest;
  for (let row = start; row < end; row++) {
    const number = first + row;
    const line = model.line(number);
    if (line === undefined) continue;
    columns = Math.max(columns, line.text.length);
    rows.push(
      <OutputLine
        key={number}
        number={number}
        line={line}
        isSettled={number < model.settled}
        query={search.query}
        isMarked={wanted !== undefined && number >= wanted.from && number <= wanted.to}
        isCurrentHit={search.current === number}
      />,
    );
  }
  // The width only grows, so that the bar below does not jump while rows come and go.
  useEffect(() => {
    if (columns > widest) setWidest(columns);
  }, [columns]);
  const label = `Terminal of ${visibleLine(live.record.value?.command ?? "")}. Shift and Escape leave it.`;
  const digits = String(Math.max(lineEnd, 100)).length;

  return (
    <section class={typed === undefined ? "output" : "output is-terminal"} aria-label="Output">
      <OutputTools live={live} search={search} onCopy={() => copyLines(model, wanted)} />
      <div
        ref={box}
        class="output-box"
        style={typed === undefined ? undefined : { "--rows": typed.typing.size.value?.rows }}
        role="region"
        aria-label={`Output, ${countText(rowCount, "line")}`}
        tabIndex={typed === undefined ? 0 : -1}
        onScroll={scrolled}
        onClick={clicked}
        onKeyDown={pressed}
        onCopy={copied}
      >
        <div
          class="output-space"
          style={{
            height: `${rowCount * rowHeight}px`,
            minWidth: typed === undefined ? `${columns + digits + 4}ch` : "0",
            "--digits": `${digits}ch`,
          }}
        >
          <div class="output-rows" style={{ transform: `translateY(${start * rowHeight}px)` }}>
            {rows}
          </div>
          {typed !== undefined && (
            <TerminalField
              keyboard={typed.keyboard}
              row={typed.screen.cursor.line - first}
              column={typed.screen.cursor.column}
              isCursorSeen={typed.screen.modes.cursor}
              label={label}
            />
          )}
        </div>
        {rowCount === 0 && <p class="output-empty">{emptyWords(isComplete, live.outputBytes.value)}</p>}
      </div>
      {!isFollowing && !isComplete && (
        <button type="button" class="button is-small output-follow" onClick={() => setFollowing(true)}>
          <Icon name="down" />
          Follow
        </button>
      )}
      {typed !== undefined && <TerminalBar keyboard={typed.keyboard} input={typed.typing.input} exit={typed.exit} />}
      {first > 0 && (
        <p class="output-note">
          The first {countText(first, "line")} are not shown any more. The download has all that the server keeps.
        </p>
      )}
    </section>
  );
}
