/**
 * Answers most calls without the app: `POST /commands/NAME` with arguments in JSON that are all there, from a caller who
 * waits for the outcome and nothing else. The checks and the words are those of the app, whose requests, answers and
 * turns of the event loop cost twice as much as the call.
 */
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { Limits } from "../../../limits/limits.js";
import type { HttpConnection } from "../../built-in-door.js";
import { bearerTokenIn } from "../request/credentials.js";
import type { WrittenAnswer } from "../answer/json-response.js";
import { writtenOutcome } from "../answer/outcome-answer.js";
import { acceptsEvents } from "../request/preferences.js";
import { writtenProblem } from "../answer/problem.js";
import { mediaType } from "../request/body.js";
import { jsonObject } from "../request/json.js";
import type { SameSite } from "../request/same-site.js";

/** A longer body comes in several pieces. */
const longestBodyBytes = 16 * 1024;

export interface PlainCallRoute {
  /** The name of the command when the head of the request is that of a plain call. */
  commandOf(incoming: IncomingMessage): string | undefined;
  /** Returns false when the body is not there yet. Then nothing has happened, and the app must answer. */
  answer(
    incoming: IncomingMessage,
    command: string,
    peer: Pick<HttpConnection, "plainCaller">,
    write: (answer: WrittenAnswer) => void,
  ): boolean;
}

export function plainCallRoute(site: Pick<SameSite, "answersTo">, limits: Limits): PlainCallRoute {
  return {
    commandOf(incoming) {
      const { method, url = "", headers } = incoming;
      if (method !== "POST" || !url.startsWith(path) || !isPlain(headers) || repeats(incoming)) return undefined;
      const name = url.slice(path.length);
      return simpleName.test(name) && site.answersTo(headers.host ?? "") ? name : undefined;
    },
    answer(incoming, command, peer, write) {
      if (incoming.readableLength !== Number(incoming.headers["content-length"])) return false;
      const body: unknown = incoming.read();
      try {
        const { authorization, traceparent } = incoming.headers;
        const caller = peer.plainCaller(authorization === undefined ? undefined : bearerTokenIn(authorization));
        const args = jsonObject(Buffer.isBuffer(body) ? body : Buffer.alloc(0), limits, "the body");
        const request = { command, args, traceparent: typeof traceparent === "string" ? traceparent : undefined };
        caller.call(request, (outcome, run) => write(writtenOutcome(outcome, run)));
      } catch (error) {
        write(writtenProblem(error));
      }
      return true;
    },
  };
}

const path = "/commands/";
/** Other names may be written in several ways, which the app knows. */
const simpleName = /^\w[\w.:-]*$/;

/** Each of these headers asks for something else, or shows a browser. */
const askingHeaders = [
  "prefer",
  "idempotency-key",
  "cookie",
  "origin",
  "sec-fetch-site",
  "transfer-encoding",
  "expect",
] as const;

function isPlain(headers: IncomingHttpHeaders): boolean {
  const length = headers["content-length"];
  if (length === undefined || length === "0" || Number(length) > longestBodyBytes) return false;
  const type = headers["content-type"];
  if (type !== "application/json" && mediaType(type) !== "application/json") return false;
  for (const name of askingHeaders) if (headers[name] !== undefined) return false;
  return headers.accept === undefined || headers.accept === "*/*" || !acceptsEvents(headers.accept);
}

/** When such a header comes several times, Node keeps the first one, and the app refuses the request. */
function repeats({ rawHeaders }: IncomingMessage): boolean {
  let types = 0;
  let tokens = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? "";
    if (name.length === 12 && name.toLowerCase() === "content-type") types++;
    else if (name.length === 13 && name.toLowerCase() === "authorization") tokens++;
  }
  return types > 1 || tokens > 1;
}
