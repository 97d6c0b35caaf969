/** Worker threads that each run one task at a time. They start when they are needed, and end when they are idle. */
import { Worker } from "node:worker_threads";
import type { ThreadAnswer, ThreadMessage, ThreadTask } from "./messages.js";

export interface ThreadCall {
  /** Rejects with what ended the thread before it answered, or could not be copied to it. */
  readonly answered: Promise<ThreadAnswer>;
  /** Gives the task up, with its thread. Resolves when the thread has ended: until then its place is taken. */
  drop(): Promise<void>;
}

export interface ThreadOptions {
  readonly maxThreads: number;
  readonly threadIdleMs: number;
  /** How long a thread that must end may go on loading modules. */
  readonly threadLoadGraceMs: number;
}

interface Waiting {
  readonly task: ThreadTask;
  settle(answer: ThreadAnswer): void;
  fail(error: unknown): void;
}

interface Thread {
  readonly worker: Worker;
  readonly ended: Promise<void>;
  call: Waiting | undefined;
  /** The thread takes no more calls. */
  isEnding: boolean;
  /** The thread loads modules, its own or those of its call. */
  isLoading: boolean;
  /** Ends a thread that waits for this until it has loaded. */
  whenLoaded: (() => void) | undefined;
  idleTimer: NodeJS.Timeout | undefined;
}

export class WorkerThreads {
  readonly #options: ThreadOptions;
  readonly #threads = new Set<Thread>();
  readonly #waiting = new Set<Waiting>();

  constructor(options: ThreadOptions) {
    this.#options = options;
  }

  run(task: ThreadTask): ThreadCall {
    const { promise, ...settlers } = withSettlers();
    const call: Waiting = { task, ...settlers };
    this.#waiting.add(call);
    this.#next();
    return { answered: promise, drop: () => this.#drop(call) };
  }

  /** Ends all threads. Those that load modules may do so for `loadGraceMs`. */
  async close(loadGraceMs: number): Promise<void> {
    const late = setTimeout(() => {
      for (const thread of this.#threads) thread.whenLoaded?.();
    }, loadGraceMs);
    await Promise.all(
      [...this.#threads].map((thread) => {
        this.#end(thread);
        return thread.ended;
      }),
    );
    clearTimeout(late);
  }

  /** Gives each call that waits a thread, as far as there are any. */
  #next(): void {
    for (const call of this.#waiting) {
      const thread = [...this.#threads].find((each) => each.call === undefined && !each.isEnding) ?? this.#start();
      if (thread === undefined) return;
      this.#waiting.delete(call);
      this.#give(thread, call);
    }
  }

  #give(thread: Thread, call: Waiting): void {
    clearTimeout(thread.idleTimer);
    thread.call = call;
    thread.isLoading = true;
    thread.worker.ref();
    try {
      thread.worker.postMessage(call.task, [call.task.port]);
    } catch (error) {
      this.#release(thread);
      call.fail(error);
    }
  }

  #release(thread: Thread): void {
    thread.call = undefined;
    thread.isLoading = false;
    // An idle thread must not keep the process alive.
    thread.worker.unref();
    thread.idleTimer = setTimeout(() => this.#end(thread), this.#options.threadIdleMs).unref();
  }

  /** Node never closes a file that a thread was reading as it was terminated, so a thread may load its modules first. */
  #end(thread: Thread): void {
    if (thread.isEnding) return;
    thread.isEnding = true;
    clearTimeout(thread.idleTimer);
    const terminate = (): void => void thread.worker.terminate();
    if (!thread.isLoading) return terminate();
    const timer = setTimeout(terminate, this.#options.threadLoadGraceMs);
    thread.whenLoaded = () => {
      clearTimeout(timer);
      terminate();
    };
  }

  #start(): Thread | undefined {
    if (this.#threads.size >= Math.max(1, this.#options.maxThreads)) return undefined;
    const worker = new Worker(new URL("./worker.js", import.meta.url));
    let fault: unknown;
    const ended = new Promise<void>((resolve) => {
      worker.once("exit", (code) => {
        clearTimeout(thread.idleTimer);
        thread.whenLoaded?.();
        this.#threads.delete(thread);
        thread.call?.fail(fault ?? new Error(`the thread exited with code ${code}`));
        resolve();
        this.#next();
      });
    });
    const thread: Thread = {
      worker,
      ended,
      call: undefined,
      isEnding: false,
      isLoading: true,
      whenLoaded: undefined,
      idleTimer: undefined,
    };
    worker.on("error", (error) => (fault = error));
    worker.on("message", (message: ThreadMessage) => {
      thread.isLoading = false;
      thread.whenLoaded?.();
      if (message.kind === "loaded") return;
      const { call } = thread;
      if (!thread.isEnding) this.#release(thread);
      call?.settle(message.answer);
      this.#next();
    });
    this.#threads.add(thread);
    return thread;
  }

  async #drop(call: Waiting): Promise<void> {
    const thread = [...this.#threads].find((each) => each.call === call);
    this.#waiting.delete(call);
    call.fail(new Error("the call was given up"));
    if (thread === undefined) return;
    this.#end(thread);
    await thread.ended;
  }
}

function withSettlers(): {
  readonly promise: Promise<ThreadAnswer>;
  settle(answer: ThreadAnswer): void;
  fail(error: unknown): void;
} {
  let settle: (answer: ThreadAnswer) => void = () => {};
  let fail: (error: unknown) => void = () => {};
  const promise = new Promise<ThreadAnswer>((resolve, reject) => {
    settle = resolve;
    fail = reject;
  });
  return { promise, settle, fail };
}
