/**
 * A person's terminal in the hands of a script that runs on a terminal: each key goes to the script, and what the
 * script prints comes unchanged, except what could harm this terminal. The terminal is put back, however this ends.
 */
import type { RunHandle, TerminalSize } from "../../client/protocol/run-handle.js";
import type { OutputChunk } from "../../client/protocol/run-output.js";
import { InteractiveText } from "../../text/interactive-text.js";
import { note, write } from "../terminal/streams.js";
import { surroundings } from "../terminal/surroundings.js";
import { exitCodeOfSignal } from "../terminal/interrupt.js";
import { KeyQueue } from "./key-queue.js";
import type { OutputTarget } from "./live-output.js";

/** What TERM may be for a server (PROTOCOL.md). */
const termForm = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/;

export class TerminalSession implements OutputTarget {
  readonly #text: InteractiveText | undefined;
  readonly #keys: KeyQueue;
  readonly #stopListening: (() => void)[] = [];
  #run: RunHandle | undefined;
  #isRaw = false;
  #bytes = 0;

  constructor(options: { readonly raw: boolean }) {
    this.#text = options.raw ? undefined : new InteractiveText();
    this.#keys = new KeyQueue(() => this.#leave());
  }

  /** What the server is told of this terminal. */
  get shape(): TerminalSize & { readonly term?: string } {
    const { TERM: term = "" } = surroundings().env;
    return { ...this.#size(), ...(termForm.test(term) ? { term } : {}) };
  }

  /** The keys, as standard input of the run. */
  get input(): AsyncIterable<Uint8Array> {
    return this.#keys;
  }

  #size(): TerminalSize {
    const { rows = 0, columns = 0 } = surroundings().stdout;
    return { rows: rows > 0 ? rows : 24, columns: columns > 0 ? columns : 80 };
  }

  /** Until the run begins, keys have their usual meaning: Ctrl-C ends the wait. */
  follow(run: RunHandle): void {
    this.#run = run;
    run.id.then(
      () => this.#begin(run),
      () => {},
    );
  }

  #begin(run: RunHandle): void {
    const { stdin, stdout, events, exit, ownsProcess } = surroundings();
    if (this.#keys.isOver) return;
    this.#isRaw = true;
    stdin.setRawMode?.(true);
    // In Node's raw mode, each newline still returns to the first column. The script's terminal says where the cursor
    // goes, so this is switched off. The end of raw mode puts it back too.
    const { spawnSync } = process.getBuiltinModule("node:child_process");
    if (ownsProcess) spawnSync("stty", ["-opost"], { stdio: ["inherit", "ignore", "ignore"] });
    const typed = (chunk: Uint8Array): void => this.#keys.push(chunk);
    const resized = (): void => run.resize(this.#size());
    const restore = (): void => this.#restore();
    const hungUp = (): void => {
      restore();
      exit(exitCodeOfSignal("SIGHUP"));
    };
    stdin.on("data", typed).once("end", () => this.#keys.end());
    stdout.on("resize", resized);
    events.on("exit", restore);
    events.on("SIGHUP", hungUp);
    this.#stopListening.push(() => {
      stdin.off("data", typed).pause();
      stdout.off("resize", resized);
      events.off("exit", restore);
      events.off("SIGHUP", hungUp);
    });
    // The size may have changed since the call.
    resized();
  }

  /** `~.` was typed. */
  #leave(): void {
    this.#restore();
    void note("iscep: left by ~. and cancelled the run; Ctrl-C twice leaves at once");
    this.#run?.cancel();
  }

  async take({ bytes }: Pick<OutputChunk, "channel" | "bytes">): Promise<void> {
    this.#bytes += bytes.length;
    await write(surroundings().stdout, this.#text?.push(bytes) ?? bytes);
  }

  async end(): Promise<void> {
    this.#restore();
    await write(surroundings().stdout, "");
  }

  /** Puts the terminal back. At the end of the process, only synchronous writes still arrive. */
  #restore(): void {
    this.#keys.end();
    for (const stop of this.#stopListening.splice(0)) stop();
    if (!this.#isRaw) return;
    this.#isRaw = false;
    const { stdin, stdout } = surroundings();
    const reset = this.#text?.end() ?? "";
    if (reset !== "") stdout.write(reset);
    stdin.setRawMode?.(false);
  }

  /** A terminal has shown what both channels print, so both have the same count. */
  bytesOf(): number {
    return this.#bytes;
  }
}
