/** One instance of a service, as a client knows it: what it told last, and what this client has there. */
import { toIscepError, type ErrorCode, type IscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import type { Beat } from "../../nats/beat.js";
import type { Version2ProtocolClient } from "../version2/protocol-client.js";

/** Errors which tell that no instance of the service is there, or that none answers. */
const vainCodes: ReadonlySet<ErrorCode> = new Set([
  "connect_failed",
  "not_trusted",
  "lost",
  "closed",
  "timeout",
  "protocol",
]);

/** No server has more places. A beat may tell of more, because anybody who may publish there can send it. */
const mostPlaces = 100_000;

export type PauseLimits = Pick<Limits, "natsPauseMs" | "natsMaxPauseMs">;

export class Member {
  readonly instance: string;
  beat: Beat;
  /** When it was last heard, by performance.now(). */
  heardAtMs: number;
  /** Calls of this client that have no outcome yet. */
  own = 0;
  /** Places for calls that are on their way here from where they waited. */
  kept = 0;
  /** True while calls that wait at other instances are offered to it. */
  isOffered = false;
  #others = 0;
  #othersGuessed = 0;
  #isProven = false;
  #isGone = false;
  #vainError: IscepError | undefined;
  /** How many attempts in a row were in vain. */
  #inVain = 0;
  /**
   * It is not tried again before this time, by performance.now(). Its beats do not end the pause, because others can
   * send them.
   */
  #pausedUntilMs = 0;
  #proving: Promise<void> | undefined;
  readonly #limits: PauseLimits;
  readonly #open: (member: Member) => Version2ProtocolClient;
  #client: Version2ProtocolClient | undefined;

  constructor(beat: Beat, limits: PauseLimits, open: (member: Member) => Version2ProtocolClient) {
    this.instance = beat.instance;
    this.#limits = limits;
    this.#open = open;
    this.beat = beat;
    this.heardAtMs = performance.now();
    this.told(beat);
  }

  /** The connection is made for the first call. */
  get client(): Version2ProtocolClient {
    return (this.#client ??= this.#open(this));
  }

  told(beat: Beat): void {
    this.beat = beat;
    this.heardAtMs = performance.now();
    this.#others = Math.max(0, beat.running + beat.waiting - this.own);
    // All clients hear the same beat. If all took it as exact, all would choose the same instance until the next beat.
    this.#othersGuessed = this.#others * (0.5 + Math.random()) + Math.random();
  }

  /** Whether it can be given calls at all. */
  get isThere(): boolean {
    if (this.#isGone || this.beat.state === "left") return false;
    return this.#pausedUntilMs === 0 || performance.now() >= this.#pausedUntilMs;
  }

  /** True when it has answered over a link on which it proved that it knows the token. Calls go to such instances first. */
  get isProven(): boolean {
    return this.#isProven;
  }

  /** A call would probably begin at once. */
  get hasRoom(): boolean {
    return this.isThere && this.beat.state === "ready" && this.own + this.kept + this.#others < this.beat.places;
  }

  /** The instance with the least load is chosen. One that drains refuses all calls. */
  get load(): number {
    const load = (this.own + this.kept + this.#othersGuessed) / Math.max(1, Math.min(mostPlaces, this.beat.places));
    return this.beat.state === "draining" ? load + 1_000_000 : load;
  }

  /** Makes a request that costs nothing. Resolves when it is known whether the instance answers. */
  prove(): Promise<void> {
    this.#proving ??= this.#askForProof().finally(() => (this.#proving = undefined));
    return this.#proving;
  }

  get isBeingProven(): boolean {
    return this.#proving !== undefined;
  }

  async #askForProof(): Promise<void> {
    try {
      await this.client.echo(null, undefined);
      this.#isProven = true;
      this.forgive();
    } catch (thrown) {
      const error = toIscepError(thrown);
      if (vainCodes.has(error.code)) this.wasInVain(error);
    }
  }

  /** The instance could not be reached. Others come first for a time, which is longer after each attempt. */
  wasInVain(error: IscepError): void {
    this.#isProven = false;
    this.#vainError = error;
    const { natsPauseMs, natsMaxPauseMs } = this.#limits;
    const pauseMs = Math.min(natsMaxPauseMs, natsPauseMs * 2 ** this.#inVain++);
    this.#pausedUntilMs = performance.now() + pauseMs;
  }

  /** Why the last attempt was in vain. undefined when it was not. */
  get vainError(): IscepError | undefined {
    return this.#vainError;
  }

  /** The attempts in vain are forgotten: it has answered, or they were not its fault. */
  forgive(): void {
    this.#vainError = undefined;
    this.#inVain = 0;
    this.#pausedUntilMs = 0;
  }

  /** It will never answer again: what was begun there is lost now. */
  gone(reason: IscepError): void {
    this.#isGone = true;
    void this.#client?.close(reason);
  }

  async close(): Promise<void> {
    await this.#client?.close();
  }
}

/** The member with the least load. @param without members that are left out */
export function leastLoaded(
  members: Iterable<Member>,
  fits: (member: Member) => boolean,
  without?: ReadonlySet<Member>,
): Member | undefined {
  let best: Member | undefined;
  let bestLoad = Number.POSITIVE_INFINITY;
  for (const member of members) {
    if (!fits(member) || without?.has(member) === true) continue;
    const { load } = member;
    if (load >= bestLoad) continue;
    best = member;
    bestLoad = load;
  }
  return best;
}
