/** The public calls over version 1. */
import type { CommandDescription } from "../../model/command.js";
import { descriptionsFromVersion1 } from "../../commands/describe.js";
import { IscepError, isIscepError, toIscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import { encodeRequest } from "../../session/version1-client.js";
import { listCommandName } from "../../session/list-page.js";
import { isJsonObject } from "../../wire/json.js";
import { PacketType } from "../../wire/packet.js";
import { checkTimeout } from "../protocol/call-timeout.js";
import { closeSource } from "../protocol/input-sender.js";
import { listPages } from "../protocol/list-pages.js";
import type { CallerRecord } from "../../model/caller-record.js";
import type { ScheduleRecord } from "../../model/schedule-record.js";
import type { CallOptions, RunOptions } from "../protocol/options.js";
import type { RunHandle } from "../protocol/run-handle.js";
import type { RunsPage } from "../../model/run-record.js";
import type { ProtocolClient } from "../protocol/protocol-client.js";
import type { RequestOptions, Version1Client } from "./client.js";
import { followVersion1, refusedRun } from "./run.js";

export class Version1ProtocolClient implements ProtocolClient {
  readonly version = 1;
  readonly #version1: Version1Client;
  readonly #token: string | undefined;
  readonly #timeoutMs: number;
  readonly #limits: Limits;

  constructor(version1: Version1Client, token: string | undefined, timeoutMs: number, limits: Limits) {
    this.#version1 = version1;
    this.#token = token;
    this.#timeoutMs = timeoutMs;
    this.#limits = limits;
  }

  call(command: string, args: unknown, options: CallOptions | undefined): Promise<unknown> {
    const refusal = unsupported(options);
    return refusal === undefined ? this.#send(command, args, options) : Promise.reject(refusal);
  }

  run(command: string, args: unknown, options: RunOptions | undefined): RunHandle {
    const refusal = unsupported(options);
    if (refusal !== undefined) {
      closeSource(options?.stdin);
      return refusedRun(refusal);
    }
    return followVersion1((signal) => this.#send(command, args, { ...options, signal }), options?.signal);
  }

  attach(): RunHandle {
    return refusedRun(needsVersion2("to attach to a run", ""));
  }

  cancel(): Promise<void> {
    return Promise.reject(needsVersion2("to cancel a run", ""));
  }

  runs(): Promise<RunsPage> {
    return Promise.reject(needsVersion2("to list runs", ""));
  }

  whoAmI(): Promise<CallerRecord> {
    return Promise.reject(needsVersion2("to ask who calls", ""));
  }

  schedules(): Promise<ScheduleRecord[]> {
    return Promise.reject(needsVersion2("to list schedules", ""));
  }

  async list(options: CallOptions | undefined): Promise<CommandDescription[]> {
    const ask = (after: string | undefined): Promise<unknown> =>
      this.#send(listCommandName, after === undefined ? {} : { after }, options);
    try {
      return await listPages(ask, this.#limits.maxListedCommands);
    } catch (error) {
      // An original server does not know this command, so DISCOVER is used.
      if (!isIscepError(error) || error.code !== "command_not_found") throw error;
      return descriptionsFromVersion1(
        await this.#version1.request(PacketType.DISCOVER, this.#content({}, options), this.#requestOptions(options)),
      );
    }
  }

  async echo(value: unknown, options: CallOptions | undefined): Promise<unknown> {
    const content = this.#content({ response: { echo: value } }, options);
    const response = await this.#version1.request(PacketType.ECHO, content, this.#requestOptions(options));
    if (!isJsonObject(response)) throw new IscepError("protocol", "the server did not send back what it was sent");
    return response["echo"];
  }

  close(): Promise<void> {
    const content = this.#token === undefined ? {} : { auth_token: this.#token };
    return this.#version1.close(
      encodeRequest(PacketType.CLOSE_CONNECTION, content, this.#limits, this.#limits.maxPacketBytes),
    );
  }

  #send(command: string, args: unknown, options: CallOptions | undefined): Promise<unknown> {
    let requestOptions: RequestOptions;
    try {
      requestOptions = this.#requestOptions(options);
    } catch (error) {
      // A call rejects and never throws, because a caller may only listen to the promise.
      return Promise.reject(toIscepError(error));
    }
    return this.#version1.request(PacketType.SEND_CMD, this.#content({ command, args }, options), requestOptions);
  }

  #content<Content extends object>(
    content: Content,
    options: CallOptions | undefined,
  ): Content & { auth_token?: string } {
    const token = options?.token === undefined ? this.#token : (options.token ?? undefined);
    return token === undefined ? content : { auth_token: token, ...content };
  }

  #requestOptions(options: CallOptions | undefined): RequestOptions {
    return {
      timeoutMs: options?.timeoutMs === undefined ? this.#timeoutMs : checkTimeout(options.timeoutMs),
      signal: options?.signal,
    };
  }
}

/** These options cannot be kept in version 1: a caller must not treat a repeated call as safe. */
function unsupported(options: RunOptions | undefined): IscepError | undefined {
  if (options?.idempotencyKey !== undefined) return needsVersion2("an idempotencyKey");
  if (options?.detach === true) return needsVersion2("detach");
  if (options?.stdin !== undefined) return needsVersion2("stdin");
  return undefined;
}

function needsVersion2(what: string, instead = "; leave it out"): IscepError {
  return new IscepError("protocol", `${what} needs version 2, and this connection speaks version 1${instead}`);
}
