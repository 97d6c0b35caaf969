/** Sends one notice to an address, once. It follows no redirect, because a signed message is for one receiver. */
import { IscepError, textOfThrown } from "../errors.js";
import { readSecret } from "../files/secret-place.js";
import { webhookHeaders } from "../identity/standard-webhooks.js";
import type { NoticeAddress } from "../model/command.js";
import type { RunFacts } from "./facts.js";

export interface RequestOptions {
  readonly id: string;
  readonly facts: RunFacts;
  readonly nowMs: number;
  readonly signal: AbortSignal;
  readonly maxAnswerBytes: number;
}

/**
 * Resolves when the receiver has taken the notice (2xx).
 * @throws IscepError `connect_failed` with the reason; `details.final` says that another try makes no sense
 */
export async function sendNotice(address: NoticeAddress, options: RequestOptions): Promise<void> {
  const { id, facts, nowMs } = options;
  const body = JSON.stringify({
    type: `run.${facts.status}`,
    timestamp: new Date(facts.endedAtMs ?? nowMs).toISOString(),
    data: facts,
  });
  // The secret is read each time, so that a new one counts at once.
  const secret = address.secret === undefined ? undefined : readSecret(address.secret);
  const status = await post(address.url, webhookHeaders(secret, id, Math.floor(nowMs / 1_000), body), body, options);
  if (status >= 200 && status < 300) return;
  const isRedirect = status >= 300 && status < 400;
  const why = isRedirect ? "redirects are not followed, so give the address that it leads to" : "it wants 2xx";
  throw new IscepError("connect_failed", `the receiver answered with ${status}; ${why}`, {
    // 410 means that this receiver is gone for good (Standard Webhooks).
    details: { final: status === 410 },
  });
}

/** Node's client is loaded when the first notice is sent. */
async function post(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string,
  { signal, maxAnswerBytes }: RequestOptions,
): Promise<number> {
  const { request } = url.startsWith("https:") ? await import("node:https") : await import("node:http");
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void =>
      reject(new IscepError("connect_failed", `it could not be sent: ${textOfThrown(error)}`, { cause: error }));
    const sent = request(
      url,
      {
        method: "POST",
        agent: false,
        signal,
        headers: {
          ...headers,
          "content-type": "application/json",
          "content-length": Buffer.byteLength(body),
          "user-agent": "iscep",
        },
      },
      (answer) => {
        let bytes = 0;
        const done = (): void => {
          resolve(answer.statusCode ?? 0);
          sent.destroy();
        };
        answer.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > maxAnswerBytes) done();
        });
        answer.on("end", done).on("error", fail);
      },
    );
    sent.on("error", fail);
    // Without this listener, an answer of 101 (another protocol) is neither an answer nor an error to Node.
    sent.on("upgrade", ({ statusCode = 101 }, socket) => {
      socket.destroy();
      resolve(statusCode);
    });
    sent.end(body);
  });
}
