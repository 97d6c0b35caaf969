/** What the parts of the HTTP door share: how a part adds its routes, and what it knows of each request. */
import type { Context, Hono } from "hono";
import type { Client } from "../../../client/client.js";
import type { Limits } from "../../../limits/limits.js";
import type { BuiltInDoorServer, HttpConnection } from "../../built-in-door.js";
import type { BrowserSessions } from "./browser-sessions.js";
import type { OpenInputs } from "../input/open-inputs.js";
import type { HttpSettings } from "./settings.js";

/** The connection over which a request came, as far as a handler needs it. */
export type HttpPeer = Pick<
  HttpConnection,
  | "source"
  | "tls"
  | "client"
  | "clientAs"
  | "identified"
  | "follower"
  | "lasting"
  | "failed"
  | "checkPenalty"
  | "metrics"
  | "cut"
>;

/** The types of hono's context in this door. A test without a port calls `httpApp` with a request and a peer of its own. */
export interface HttpEnv {
  Bindings: { readonly peer: HttpPeer };
}

export type HttpContext = Context<HttpEnv>;

/** What a part of the door gets. */
export interface HttpHost {
  readonly server: BuiltInDoorServer;
  readonly limits: Limits;
  readonly settings: HttpSettings;
  readonly sessions: BrowserSessions;
  readonly inputs: OpenInputs;
  /**
   * The client with the rights of the caller of this request: of its bearer token, or of the session of its browser. Do
   * not close it: the connection does.
   * @throws IscepError `unauthorized` for a token that is not valid now, and for credentials of another kind
   */
  clientOf(context: HttpContext): Client;
  /**
   * A client of its own for a request that follows a run. Close it when the answer is over.
   * @throws IscepError as `clientOf`
   */
  followerOf(context: HttpContext): Client;
  /**
   * A client for a run whose standard input stays open when the connection is gone. It ends with the session of its
   * browser. Close it when the run is over.
   * @throws IscepError as `clientOf`
   */
  lastingClientOf(context: HttpContext): Client;
}

/**
 * Adds the routes of one part of the door. Errors that a handler throws become problem details. Before any handler runs,
 * the Host and the Origin of the request were checked.
 */
export type HttpMount = (app: Hono<HttpEnv>, host: HttpHost) => void;

/** The longest delay of Node's timers, for calls that end by themselves. */
export const longestTimeoutMs = 2 ** 31 - 1;
