/** What the calls of a session cannot be told yet, as their peer does not read, or the turn of their session has not come. */
import type { FollowedCall } from "./followed-call.js";
import type { SessionCallsHost } from "./session-calls-host.js";

export interface LateAnswersHost {
  /** The run of this call has ended, and now the call gets its answer. */
  settle(call: FollowedCall): void;
}

export class LateAnswers {
  readonly #session: Pick<SessionCallsHost, "writer" | "workLater">;
  readonly #calls: LateAnswersHost;
  /** Calls whose runs have ended. Their values stay with their runs meanwhile. */
  readonly #unanswered = new Set<FollowedCall>();
  /** The progress or the place in the queue that a call is told when the peer reads again. Only the latest is kept. */
  readonly #news = new Map<FollowedCall, string>();

  constructor(session: Pick<SessionCallsHost, "writer" | "workLater">, calls: LateAnswersHost) {
    this.#session = session;
    this.#calls = calls;
  }

  addNews(call: FollowedCall, text: string): void {
    this.#news.set(call, text);
  }

  /** What came before is old: the call gets later news, or its answer. */
  dropNews(call: FollowedCall): void {
    this.#news.delete(call);
  }

  /** Tells the news as far as the peer reads. Returns false when there is more. */
  tellNews(): boolean {
    const { writer } = this.#session;
    for (const [call, text] of this.#news) {
      if (!writer.mayAnswer()) return false;
      this.#news.delete(call);
      writer.send(text);
    }
    return true;
  }

  addAnswer(call: FollowedCall): void {
    this.#unanswered.add(call);
    this.#session.workLater();
  }

  /** Answers as far as the peer reads. Returns true when the time is up and there are more. */
  answerUntil(untilMs: number): boolean {
    for (const call of this.#unanswered) {
      if (!this.#session.writer.mayAnswer()) return false;
      this.#calls.settle(call);
      if (performance.now() >= untilMs) return this.#unanswered.size > 0;
    }
    return false;
  }

  /** The call has its answer, or gets none from here. */
  drop(call: FollowedCall): void {
    this.#unanswered.delete(call);
    this.#news.delete(call);
  }
}
