/** Worker threads that each run one task at a time. They start when they are needed, and end when they are idle. */
import { Worker } from "node:worker_threads";
import type { ThreadAnswer, ThreadTask } from "./messages.js";

export interface ThreadCall {
  /** Rejects with what ended the thread before it answered, or could not be copied to it. */
  readonly answered: Promise<ThreadAnswer>;
  /** Gives the task up, with its thread. Resolves when the thread has ended: until then its place is taken. */
  drop(): Promise<void>;
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
  /** It takes no more calls. */
  isEnding: boolean;
  idleTimer: NodeJS.Timeout | undefined;
}

export class WorkerThreads {
  readonly #maxThreads: number;
  readonly #idleMs: number;
  readonly #threads = new Set<Thread>();
  readonly #waiting = new Set<Waiting>();

  constructor(maxThreads: number, idleMs: number) {
    this.#maxThreads = Math.max(1, maxThreads);
    this.#idleMs = idleMs;
  }

  run(task: ThreadTask): ThreadCall {
    const { promise, ...settlers } = withSettlers();
    const call: Waiting = { task, ...settlers };
    this.#waiting.add(call);
    this.#next();
    return { answered: promise, drop: () => this.#drop(call) };
  }

  /** Ends all threads. */
  async close(): Promise<void> {
    await Promise.all([...this.#threads].map(({ worker }) => worker.terminate()));
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
    // An idle thread must not keep the process alive.
    thread.worker.unref();
    thread.idleTimer = setTimeout(() => this.#end(thread), this.#idleMs).unref();
  }

  #end(thread: Thread): void {
    thread.isEnding = true;
    void thread.worker.terminate();
  }

  #start(): Thread | undefined {
    if (this.#threads.size >= this.#maxThreads) return undefined;
    const worker = new Worker(new URL("./worker.js", import.meta.url));
    let fault: unknown;
    const ended = new Promise<void>((resolve) => {
      worker.once("exit", (code) => {
        clearTimeout(thread.idleTimer);
        this.#threads.delete(thread);
        thread.call?.fail(fault ?? new Error(`the thread exited with code ${code}`));
        resolve();
        this.#next();
      });
    });
    const thread: Thread = { worker, ended, call: undefined, isEnding: false, idleTimer: undefined };
    worker.on("error", (error) => (fault = error));
    worker.on("message", (answer: ThreadAnswer) => {
      const { call } = thread;
      if (!thread.isEnding) this.#release(thread);
      call?.settle(answer);
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
