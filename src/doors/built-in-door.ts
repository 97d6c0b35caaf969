/**
 * What the doors of HTTP and of NATS have beyond a door of your own. It is no part of the public surface, so it may change
 * with them.
 */
import type { Socket } from "node:net";
import type { Client } from "../client/client.js";
import type { RunOutcome } from "../model/outcome.js";
import type { ScheduleClaim, ScheduledTime } from "../schedule/shared-times.js";
import type { ListenPlace } from "../transport/address.js";
import type { ByteStream } from "../transport/byte-stream.js";
import type { AcceptedStream, AcceptOptions, Door, DoorServer } from "./door.js";

/** A call of which only the outcome counts: no output, no input, no key. */
export interface PlainCallRequest {
  readonly command: string;
  /** Values from JSON that nobody else holds. */
  readonly args: unknown;
  /** The span of the caller (W3C Trace Context). Default: none. */
  readonly traceparent?: string | undefined;
}

/**
 * Gets the outcome, whose value is JSON text. Called once, and maybe before the call returns.
 * @param run its id; undefined for a run of which nothing is kept
 */
export type PlainCallAnswer = (outcome: RunOutcome, run: string | undefined) => void;

/** Makes plain calls in the name of one caller. Their runs are released when the connection is closed. */
export interface PlainCaller {
  call(request: PlainCallRequest, answer: PlainCallAnswer): void;
}

/**
 * A connection that speaks HTTP. The server has admitted it, and counts and cuts it as any other. The door reads and
 * writes it.
 */
export interface HttpConnection {
  readonly socket: Socket;
  /** The IP address of the peer, or `unix`. */
  readonly source: string;
  /** The connection is encrypted. */
  readonly tls: boolean;
  /** The server closes. What is under way is still answered, and then the connection ends. */
  readonly isClosing: boolean;
  /**
   * The client for calls of this peer with this token (undefined: none). It is closed when the connection is, so its runs
   * are released then.
   * @param wasGood true when the token is known to have been good, so it is no guess, and does not count against the
   *   address when it is not valid any more
   * @throws IscepError `unauthorized` for a token that is not valid now, `busy` while this address is refused for wrong
   *   tokens
   */
  client(token: string | undefined, wasGood?: boolean): Client;
  /**
   * As `client`, for calls of which only the outcome counts. They take less time.
   * @throws IscepError as `client`
   */
  plainCaller(token: string | undefined): PlainCaller;
  /**
   * A client for a caller that the door has identified by itself, such as by the signature of a message: it acts as this
   * owner, who may run these commands and nothing else. No token can have an owner that begins with `hook:`. Close it.
   * Unless `identified` was called, the connection stays a stranger's, and ends behind the answer.
   */
  clientAs(caller: { readonly owner: string; readonly commands: readonly string[] }): Client;
  /** The caller has shown who they are, by something else than a token. The connection is no stranger's from here on. */
  identified(owner: string): void;
  /** The caller did not show who they are. It counts as a wrong token, and the error log gets a line. */
  failed(message: string): void;
  /** @throws IscepError `busy` while this address is refused for wrong tokens */
  checkPenalty(): void;
  /**
   * The metrics as text for Prometheus (docs/METRICS.md).
   * @throws IscepError as `client`, and `unauthorized` for a token without the scope `metrics` or `runs:all`
   */
  metrics(token: string | undefined, wasGood?: boolean): string;
  /**
   * As `client`, but a separate client, for a caller who follows a run for a while. Close it when the caller has seen
   * enough: the run goes on if others want it. The connection closes it at the latest.
   * @throws IscepError as `client`
   */
  follower(token: string | undefined, wasGood?: boolean): Client;
  /**
   * As `follower`, but this client outlasts the connection. The door must close it.
   * @throws IscepError as `client`
   */
  lasting(token: string | undefined, wasGood?: boolean): Client;
  /** The head of a request has come. From now on the peer may wait, and we may. */
  requestBegan(): void;
  /** Its answer is sent, or was cut. */
  requestEnded(): void;
  /** The connection ends behind the answer that is under way. */
  endAfterAnswer(reason: string): void;
  /** Ends the connection at once, because an answer that was begun cannot be finished. */
  cut(reason: string): void;
  /** Bytes came that are no HTTP. The error log gets a line. */
  malformed(message: string): void;
}

/** Proves a token without showing it, by something that only this request has. */
export interface TokenProof {
  /** Names the token (PROTOCOL.md, "Authentication"). */
  readonly reference: string;
  /** True if the proof was made with the token that has this stored key. It must compare in constant time. */
  isProvenBy(storedKey: Buffer): boolean;
}

/** A caller who has no connection, and shows with one request who they are. */
export interface Requester {
  /** A word for the logs, such as `nats`. Wrong proofs do not make the server refuse others with this source. */
  readonly source: string;
  /** Default: they show no token. */
  readonly proof?: TokenProof | undefined;
  /** The id for the run of this request, when the caller knows it already. Default: the server makes one. */
  readonly runId?: string | undefined;
  /**
   * How many bytes of JSON a value may have to be sent to this caller, asked at each call that is not detached. A larger
   * value fails its run, and the output of a script is cut. Default: as many as version 2 can carry.
   */
  readonly maxValueBytes?: (() => number) | undefined;
}

/** A link over a bus. Its `carrier` decides how packets are protected. */
export type AcceptedLink = ByteStream & AcceptedStream;

/** What a server is to its own doors. */
export interface BuiltInDoorServer extends DoorServer {
  /**
   * As `client`, for one request of a caller who has no connection. `close()` it after the answer.
   * @throws IscepError `unauthorized`; `usage` before the server listens, `closed` after its close
   */
  clientOf(requester: Requester): Client;
  /**
   * Proves to the owner of a token that this server has its keys: an HMAC of the message by the key that only servers have
   * (PROTOCOL.md, "Authentication"). undefined when there is no such token now.
   */
  proofTo(reference: string, source: string, message: Buffer): Buffer | undefined;
  /**
   * As `accept`, for links over a bus. They have limits of their own, because all callers come from one source, and each
   * message takes its time.
   */
  acceptLink(link: AcceptedLink, options: AcceptOptions): void;
  /**
   * Gives one door the connections that begin as HTTP does, until the server closes: on these places, or on all places
   * of the server. Call this in `open`. Resolves to their addresses, such as `https://127.0.0.1:8989/`.
   * @throws IscepError `listen_failed`, and `usage` for a place that is not safe, or when another door has these connections
   */
  acceptHttp(
    connected: (connection: HttpConnection) => void,
    places?: readonly ListenPlace[],
  ): Promise<readonly string[]>;
}

/** A door that reaches the other servers which have the same schedules. */
export interface ScheduleClaims {
  /**
   * Says whether this server starts a planned time of a schedule that other servers have too. Only the first of them may
   * start it. A door without this leaves each server to itself.
   * @throws IscepError when this cannot be known now. The server then asks again
   */
  claimSchedule(time: ScheduledTime): Promise<ScheduleClaim>;
}

export function claimsSchedules(door: Door): door is Door & ScheduleClaims {
  return "claimSchedule" in door && typeof door.claimSchedule === "function";
}
