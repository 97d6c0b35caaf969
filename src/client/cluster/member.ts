/** One instance of a service, as a client knows it: what it told last, and what this client has there. */
import type { IscepError } from "../../errors.js";
import type { Beat } from "../../nats/beat.js";
import type { Version2ProtocolClient } from "../version2/protocol-client.js";

export class Member {
  readonly instance: string;
  beat: Beat;
  /** By performance.now(). */
  heardAtMs: number;
  /** Calls of this client that have no outcome yet. */
  own = 0;
  /** It could not be reached since it told of itself. */
  isUnreachable = false;
  /** It is being offered calls that wait at other instances. */
  isOffered = false;
  #others = 0;
  #othersGuessed = 0;
  #isGone = false;
  readonly #open: (member: Member) => Version2ProtocolClient;
  #client: Version2ProtocolClient | undefined;

  constructor(beat: Beat, open: (member: Member) => Version2ProtocolClient) {
    this.instance = beat.instance;
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
    this.isUnreachable = false;
    this.#others = Math.max(0, beat.running + beat.waiting - this.own);
    // All clients hear the same. If all took it as exact, all would choose the same instance until it tells again.
    this.#othersGuessed = this.#others * (0.5 + Math.random()) + Math.random();
  }

  /** Whether it can be given calls at all. */
  get isThere(): boolean {
    return !this.#isGone && this.beat.state !== "left" && !this.isUnreachable;
  }

  /** A call would probably begin at once. */
  get hasRoom(): boolean {
    return this.isThere && this.beat.state === "ready" && this.own + this.#others < this.beat.places;
  }

  /** The least loaded one is best. One that drains refuses all. */
  get load(): number {
    const load = (this.own + this.#othersGuessed) / Math.max(1, this.beat.places);
    return this.beat.state === "draining" ? load + 1_000_000 : load;
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

/** The one with the least load; one of those at random where several have it. @param without those that are not asked */
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
