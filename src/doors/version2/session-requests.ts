/** Handles the requests of one version 2 session. Each goes to its place in the server, and gets its one answer. */
import { IscepError, toIscepError } from "../../errors.js";
import { callerRecord } from "../../identity/caller-record.js";
import type { CommandDescription } from "../../model/command.js";
import type { Identity } from "../../model/identity.js";
import type { ListPage } from "../../session/list-page.js";
import type { ClientMessage } from "../../session/version2-messages.js";
import { errorText, resultText } from "../../session/version2-server.js";
import type { DoorHost } from "../connection.js";
import type { PacketKeys } from "../../session/proof.js";
import { RequestFloods } from "./request-floods.js";
import type { SessionCalls } from "./session-calls.js";
import type { SessionIdentity } from "./session-identity.js";
import type { SessionWriter } from "./session-writer.js";

export interface SessionRequestsHost {
  readonly server: Pick<DoorHost, "authenticator" | "dispatcher" | "limits">;
  readonly identity: Pick<SessionIdentity, "isKnown" | "current" | "prove">;
  readonly calls: SessionCalls;
  readonly writer: Pick<SessionWriter, "send" | "mayAnswer">;
  /** Asks for `answerUntil` in a later turn of the event loop, when this session has its slice. */
  workLater(): void;
  /** Why the present message must not authenticate. Default: it may. */
  authenticationFault?(): IscepError | undefined;
  /** @param keys for the packets from here on */
  authenticated(keys: PacketKeys | undefined): void;
  wrongToken(): void;
  violation(error: IscepError): void;
  /** Says why, and ends the session. */
  goAway(code: string, message: string): void;
}

type IdentifiedRequest = Extract<
  ClientMessage,
  { method: "call" | "attach" | "cancel" | "withdraw" | "echo" | "list" | "runs" | "schedules" | "whoami" }
>;

export class SessionRequests {
  readonly #host: SessionRequestsHost;
  // Most connections only call, and wait for no lists.
  #floods: RequestFloods | undefined;
  #failedTokens = 0;
  /** How many lists were asked for and not answered, and those of them that are ready. */
  #waitingLists = 0;
  #readyLists: (() => void)[] | undefined;

  constructor(host: SessionRequestsHost) {
    this.#host = host;
  }

  #countFloods(): RequestFloods {
    return (this.#floods ??= new RequestFloods(this.#host.server.limits));
  }

  handle(message: ClientMessage): void {
    switch (message.method) {
      case "ignored":
        this.#closeIf(this.#countFloods().unknown());
        return;
      case "unknown": {
        const name = JSON.stringify(message.name.slice(0, 64));
        this.#host.writer.send(
          errorText(message.id, new IscepError("command_not_found", `there is no method ${name}`)),
        );
        this.#closeIf(this.#countFloods().unknown());
        return;
      }
      case "invalid":
        this.#host.writer.send(errorText(message.id, message.error, { status: "rejected" }));
        if (!this.#host.identity.isKnown) this.#host.goAway(message.error.code, message.error.message);
        return;
      case "window":
      case "leave":
      case "resize":
        this.#flow(message);
        return;
      case "authenticate":
        this.#authenticate(message.id, message.token, message.proof);
        return;
      case "ping":
        this.#host.writer.send(resultText(message.id, {}, this.#host.server.limits));
        this.#closeIf(this.#countFloods().ping(performance.now()));
        return;
      default:
        this.#identified(message);
    }
  }

  #flow(message: Extract<ClientMessage, { method: "window" | "leave" | "resize" }>): void {
    const { identity, calls } = this.#host;
    try {
      if (!identity.isKnown) throw new IscepError("protocol", `${message.method} came before the authentication`);
      if (identity.current() === "revoked") this.endRevoked();
      else if (message.method === "window") calls.window(message.stream, message.bytes);
      else if (message.method === "resize") calls.resize(message.call, message.rows, message.columns);
      else calls.streams.leave(message.stream);
    } catch (error) {
      this.#host.violation(toIscepError(error, "protocol"));
    }
  }

  stdin(stream: number, offset: number, bytes: Buffer): void {
    if (this.#host.identity.current() === "revoked") {
      this.endRevoked();
      return;
    }
    this.#floods?.worked();
    try {
      this.#host.calls.stdin(stream, offset, bytes);
    } catch (error) {
      this.#host.violation(toIscepError(error, "protocol"));
    }
  }

  #identified(message: IdentifiedRequest): void {
    const identity = this.#host.identity.current();
    if (identity === undefined || identity === "revoked") {
      // This comes before the session ends, because its caller must know that this call never began.
      const why = this.#host.server.authenticator?.refusal();
      this.#host.writer.send(errorText(message.id, new IscepError("unauthorized", why), { status: "rejected" }));
      if (identity === "revoked") this.endRevoked();
      else this.#host.goAway("unauthorized", why ?? "a request came before the authentication");
      return;
    }
    this.#floods?.worked();
    try {
      this.#request(identity, message);
    } catch (error) {
      this.#refuse(message.id, error);
    }
  }

  #refuse(id: number, error: unknown): void {
    const refusal = toIscepError(error);
    this.#host.writer.send(errorText(id, refusal, { ...refusal.details, status: "rejected" }));
  }

  #request(identity: Identity, message: IdentifiedRequest): void {
    const { calls, server } = this.#host;
    const { dispatcher, limits } = server;
    switch (message.method) {
      case "call":
        calls.call(identity, message.id, message.call);
        break;
      case "attach":
        calls.attach(message, dispatcher.find(identity, message.run, message.stdin || message.resumes));
        break;
      case "cancel":
        this.#cancel(identity, message);
        break;
      case "withdraw":
        this.#host.writer.send(resultText(message.id, { ...calls.withdraw(message.call) }, limits));
        break;
      case "echo":
        this.#host.writer.send(resultText(message.id, { value: message.value }, limits));
        break;
      case "list":
        this.#list(identity, message.id, message.after);
        break;
      case "whoami":
        this.#host.writer.send(resultText(message.id, callerRecord(identity), limits));
        break;
      case "schedules":
        this.#host.writer.send(resultText(message.id, dispatcher.schedules(identity, message.after), limits));
        break;
      case "runs":
        this.#host.writer.send(resultText(message.id, dispatcher.runs(identity, message), limits));
    }
  }

  #list(identity: Identity, id: number, after: string | undefined): void {
    const { dispatcher, limits } = this.#host.server;
    if (this.#waitingLists >= limits.maxCallsInFlight) {
      throw new IscepError("busy", `this connection has asked for ${limits.maxCallsInFlight} lists already`);
    }
    const room = { bytes: limits.maxPacketBytes / 4, keys: limits.maxJsonKeys / 2 };
    const page = dispatcher.describe(identity, after, room);
    const answer = (found: ListPage<CommandDescription>): void => this.#host.writer.send(resultText(id, found, limits));
    if (!(page instanceof Promise)) {
      answer(page);
      return;
    }
    this.#waitingLists++;
    const answerLater = (ready: () => void): void => {
      (this.#readyLists ??= []).push(ready);
      this.#host.workLater();
    };
    page.then(
      (found) =>
        answerLater(() => {
          try {
            answer(found);
          } catch (error) {
            this.#refuse(id, error);
          }
        }),
      (error: unknown) => answerLater(() => this.#refuse(id, error)),
    );
  }

  /** Answers the lists that had to be waited for, as far as the peer reads. True when the time is up and there are more. */
  answerUntil(untilMs: number): boolean {
    const ready = this.#readyLists;
    if (ready === undefined) return false;
    while (this.#host.writer.mayAnswer()) {
      const answer = ready.shift();
      if (answer === undefined) return false;
      this.#waitingLists--;
      answer();
      if (performance.now() >= untilMs) return ready.length > 0;
    }
    return false;
  }

  /** The token is checked for each message, and by the sweep. When it was removed or has expired, the session ends. */
  endRevoked(): void {
    const why = this.#host.server.authenticator?.refusal() ?? "the token of this session is no longer valid";
    this.#host.goAway("unauthorized", why);
  }

  #authenticate(id: number, reference: string, proof: string): void {
    const { identity, server } = this.#host;
    if (identity.isKnown) {
      const error = new IscepError("invalid_arguments", "this session is authenticated already");
      this.#host.writer.send(errorText(id, error));
      return;
    }
    const fault = this.#host.authenticationFault?.();
    if (fault !== undefined) {
      this.#host.violation(fault);
      return;
    }
    const proven = identity.prove(reference, proof);
    if (proven !== undefined) {
      this.#host.authenticated(proven.keys);
      this.#host.writer.send(resultText(id, proven.answer, server.limits));
      return;
    }
    const refusal = server.authenticator?.refusal();
    if (refusal !== undefined) {
      // No other token would do better.
      this.#host.writer.send(errorText(id, new IscepError("unauthorized", refusal)));
      this.#host.goAway("unauthorized", refusal);
      return;
    }
    this.#host.wrongToken();
    this.#host.writer.send(errorText(id, new IscepError("unauthorized")));
    if (++this.#failedTokens >= server.limits.maxFailedTokensPerConnection) {
      this.#host.goAway("unauthorized", "too many failed tokens");
    }
  }

  #cancel(identity: Identity, message: Extract<ClientMessage, { method: "cancel" }>): void {
    const { calls, server } = this.#host;
    const { id, run: runId = "", call } = message;
    const run = call === undefined ? server.dispatcher.find(identity, runId) : calls.cancel(call);
    const ageMs = Date.now() - run.startedAtMs;
    // A cancel by the run's id stops it for all who want it.
    if (call === undefined) run.abort(new IscepError("cancelled", "the run was cancelled"));
    this.#host.writer.send(resultText(id, {}, server.limits));
    this.#closeIf(this.#countFloods().cancel(ageMs, performance.now()));
  }

  #closeIf(reason: string | undefined): void {
    if (reason !== undefined) this.#host.goAway("busy", reason);
  }
}
