/**
 * What somebody types to a run, on its way to the server: in order, one request at a time, and what is typed meanwhile is
 * gathered for the next one. Each request tells its offset among all that was typed here, so a repeated one adds nothing
 * twice, and what others type changes nothing.
 */
import { signal } from "@preact/signals";
import { pauseMs } from "../api/pauses.js";
import { toProblem, type Problem } from "../api/problem.js";
import { Outbox, type OutgoingPiece } from "../typing/outbox.js";

export type TypingState =
  | { readonly kind: "open" }
  /** No request arrives. */
  | { readonly kind: "unreachable" }
  /** The command does not read. */
  | { readonly kind: "unread" }
  /** Nothing can be typed any more: its end was sent, or the run does not take any. */
  | { readonly kind: "ended" }
  | { readonly kind: "refused"; readonly problem: Problem };

export interface TypedInputOptions {
  /** Returns how many bytes from here the server has then. @throws Problem */
  readonly post: (piece: OutgoingPiece) => Promise<number>;
  /** Whether the run still takes input. @throws Problem */
  readonly fetchIsOpen: () => Promise<boolean>;
  /** Waits before the next attempt. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** As the server has it by default (`maxTypedBytes`). Where it takes less, smaller pieces follow. */
const maxPieceBytes = 65_536;
/** More is a file, which the form can give to the command. */
const maxWaitingBytes = 4 * 2 ** 20;
/** Programs ask the terminal a few questions and read the answers, of some ten bytes each, before they go on. */
const maxWaitingForAnswerBytes = 1_024;

const encoder = new TextEncoder();

export class TypedInput {
  readonly state = signal<TypingState>({ kind: "open" });
  readonly waitingBytes = signal(0);
  readonly #options: TypedInputOptions;
  readonly #outbox = new Outbox();
  readonly #stop = new AbortController();
  #pieceBytes = maxPieceBytes;
  #isDelivering = false;

  constructor(options: TypedInputOptions) {
    this.#options = options;
  }

  /** False: this cannot be typed, because too much waits, or nothing more is taken. */
  type(text: string): boolean {
    const bytes = encoder.encode(text);
    if (this.#isOver || this.#outbox.waitingBytes + bytes.length > maxWaitingBytes) return false;
    this.#outbox.add(bytes);
    void this.#deliver();
    return true;
  }

  /**
   * What the terminal answers to the program. It is left out while much waits: output that asks again and again, such
   * as a binary file that was shown by mistake, comes from a program that does not read the answers, and they would be
   * typed to the command.
   */
  answer(text: string): void {
    if (this.#outbox.waitingBytes < maxWaitingForAnswerBytes) this.type(text);
  }

  /** Nothing is typed behind this. */
  end(): void {
    if (this.#isOver) return;
    this.#outbox.addEnd();
    void this.#deliver();
  }

  /** Another page may have ended the input. To be called when somebody begins to type here. */
  async check(): Promise<void> {
    if (this.#isOver || this.#isDelivering) return;
    try {
      const isOpen = await this.#options.fetchIsOpen();
      // What is on its way meanwhile learns more from its own answer.
      if (!isOpen && !this.#isDelivering) this.#close();
    } catch {
      // What is typed tells the same failure when it lasts.
    }
  }

  /** The run is over, or nobody looks at it any more. */
  close(): void {
    this.#stop.abort();
    this.#close();
  }

  get #isOver(): boolean {
    return this.state.value.kind === "ended" || this.state.value.kind === "refused";
  }

  async #deliver(): Promise<void> {
    this.waitingBytes.value = this.#outbox.waitingBytes;
    if (this.#isDelivering) return;
    this.#isDelivering = true;
    for (let attempt = 0; !this.#isOver;) {
      const piece = this.#outbox.next(this.#pieceBytes);
      if (piece === undefined) break;
      try {
        this.#outbox.accepted(await this.#options.post(piece), piece);
        attempt = 0;
        if (piece.isLast) this.#close();
        else if (this.state.value.kind !== "open") this.state.value = { kind: "open" };
      } catch (error) {
        await this.#failed(toProblem(error), piece.offset, attempt++);
      }
      this.waitingBytes.value = this.#outbox.waitingBytes;
    }
    this.#isDelivering = false;
  }

  async #failed(problem: Problem, sentOffset: number, attempt: number): Promise<void> {
    const { status, code, offset = sentOffset, retryAfterMs = 0 } = problem.facts;
    if (this.#isOver) return;
    if (status === 409 && offset < sentOffset) {
      this.#outbox.countFrom(offset);
      if (attempt > 0) await this.#options.pause(pauseMs(attempt, Math.random()), this.#stop.signal);
    } else if (status === 409 && problem.facts.offset === undefined) this.#close();
    else if (status === 413 && this.#pieceBytes > 1) this.#pieceBytes = Math.ceil(this.#pieceBytes / 2);
    else if (problem.isUnreachable || status === 408 || status === 429 || status === 503) {
      // The connection was too slow for the whole piece.
      if (status === 408) this.#pieceBytes = Math.ceil(this.#pieceBytes / 2);
      this.state.value = { kind: code === "busy" ? "unread" : "unreachable" };
      await this.#options.pause(Math.max(retryAfterMs, pauseMs(attempt, Math.random())), this.#stop.signal);
    } else {
      this.#outbox.clear();
      this.state.value = { kind: "refused", problem };
    }
  }

  #close(): void {
    this.#outbox.clear();
    this.waitingBytes.value = 0;
    if (!this.#isOver) this.state.value = { kind: "ended" };
  }
}
