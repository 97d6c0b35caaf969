/** Says of a command on a terminal that this page only shows it, and how to type to it. */
import { useState } from "preact/hooks";
import type { JSX } from "preact";
import { announce } from "../state/announce.js";
import { callLine } from "../words/call-line.js";
import { copyText } from "./copy.js";

interface Props {
  readonly command: string;
  /** Those of the run. Default: none. */
  readonly args?: Readonly<Record<string, unknown>> | undefined;
  readonly isRunning?: boolean;
}

export function TerminalNote({ command, args, isRunning = false }: Props): JSX.Element {
  const [word, setWord] = useState("Copy");
  const line = callLine(command, args ?? {});
  const copy = async (): Promise<void> => {
    const done = (await copyText(line)) ? "Copied" : "The browser did not allow it";
    setWord(done);
    announce(done);
  };
  return (
    <div class="notice terminal-note">
      <p>
        {isRunning
          ? "This run is on a terminal. This page shows it and cannot type to it: it reads what it was started with, and what its caller types in a shell."
          : "This command runs on a terminal. Called here, it reads the standard input that you give it below, and then finds its end."}{" "}
        To type while it runs, call it in a shell where iscep knows this server:
      </p>
      <p class="terminal-line">
        <code>{line}</code>
        <button type="button" class="button" onClick={() => void copy()}>
          {word}
        </button>
      </p>
    </div>
  );
}
