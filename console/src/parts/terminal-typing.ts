/** What a view of the output needs to be a terminal to type in: the keyboard, and a size that follows that of the page. */
import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { announce } from "../state/announce.js";
import type { LiveRun } from "../state/live-run.js";
import { fittingSize } from "../typing/fitting-size.js";
import { TerminalKeyboard } from "../typing/terminal-keyboard.js";
import type { LiveTyping } from "../state/live-typing.js";
import type { TerminalScreen } from "../output/terminal-screen.js";

export interface TerminalTyping {
  readonly keyboard: TerminalKeyboard;
  readonly typing: LiveTyping;
  readonly screen: TerminalScreen;
  readonly exit: RefObject<HTMLButtonElement | null>;
}

/** A size that changes is told when it stays so long. */
const settleMs = 120;

/** undefined: nobody can type to this run here, or it is on no terminal. */
export function useTerminalTyping(
  live: LiveRun,
  box: RefObject<HTMLDivElement | null>,
  follow: () => void,
): TerminalTyping | undefined {
  const typing = live.typing.value;
  const screen = typing?.terminal;
  const exit = useRef<HTMLButtonElement>(null);

  const keyboard = useMemo(() => {
    if (typing === undefined || screen === undefined) return undefined;
    return new TerminalKeyboard(screen, {
      type: (text) => {
        follow();
        if (!typing.input.type(text)) announce("That is too much to type. Give it to the command as a file.");
      },
      entered: () => {
        void typing.input.check();
        typing.resize(fittingSize());
      },
      leave: () => exit.current?.focus(),
      scrollPages: (count) => box.current?.scrollBy(0, count * box.current.clientHeight),
    });
  }, [typing]);

  useEffect(() => {
    const element = box.current;
    if (keyboard === undefined || element === null) return undefined;
    if (live.isFresh) keyboard.focus();
    element.addEventListener("wheel", keyboard.wheel, { passive: false });
    return () => element.removeEventListener("wheel", keyboard.wheel);
  }, [keyboard]);

  // The field that has the focus goes with the run, and must not take the focus with it.
  const before = useRef<TerminalKeyboard | undefined>(undefined);
  const isLosingFocus = keyboard === undefined && before.current?.hasFocus.peek() === true;
  before.current = keyboard;
  useLayoutEffect(() => {
    if (isLosingFocus) box.current?.focus();
  }, [isLosingFocus]);

  useEffect(() => {
    const page = document.querySelector("main");
    if (typing === undefined || screen === undefined || page === null) return undefined;
    let told = screen.size;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const fit = (): void => {
      const size = fittingSize();
      if (size.columns === told.columns && size.rows === told.rows) return;
      told = size;
      typing.resize(size);
    };
    fit();
    const changed = (): void => {
      clearTimeout(timer);
      timer = setTimeout(fit, settleMs);
    };
    const observer = new ResizeObserver(changed);
    observer.observe(page);
    addEventListener("resize", changed);
    return () => {
      clearTimeout(timer);
      observer.disconnect();
      removeEventListener("resize", changed);
    };
  }, [typing]);

  return typing === undefined || screen === undefined || keyboard === undefined
    ? undefined
    : { keyboard, typing, screen, exit };
}
