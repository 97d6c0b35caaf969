/** The client's side of a version 2 session: bytes in, events out, requests to text. */
import { IscepError, isErrorCode } from "../errors.js";
import { encodeJson, isJsonObject, type JsonLimits, type JsonObject } from "../wire/json.js";
import { sha256, type PacketHash } from "../wire/packet-hash.js";
import { PacketReader, PacketType, type PacketView } from "../wire/packet.js";
import { checkHash, decodeData, type Channel } from "../wire/version2.js";
import { messagesOf, noMessages } from "./version2-server.js";

export type Version2ClientEvent =
  | { readonly kind: "result"; readonly id: number; readonly result: unknown }
  /** `data` comes from the server: `status`, `exitCode`, `signal`, `value`, `run`, `output`. */
  | { readonly kind: "error"; readonly id: number; readonly error: IscepError; readonly data: JsonObject }
  | { readonly kind: "notification"; readonly method: string; readonly params: JsonObject }
  | {
      readonly kind: "data";
      readonly stream: number;
      readonly channel: Exclude<Channel, "stdin">;
      readonly offset: number;
      readonly bytes: Buffer;
    };

export class Version2ClientSession {
  readonly #limits: JsonLimits;
  #hash: PacketHash;
  /** The hash with a key that the server changes to. From its first packet with this hash on, all must have it. */
  #mac: PacketHash | undefined;
  readonly #reader: PacketReader;
  #messages: readonly unknown[] = noMessages;
  #next = 0;

  /** @param hash what the server chose for all packets behind its HELLO */
  constructor(limits: JsonLimits & { readonly maxPacketBytes: number }, hash: PacketHash = sha256) {
    this.#limits = limits;
    this.#hash = hash;
    this.#reader = new PacketReader(limits.maxPacketBytes);
  }

  /** The server changes to this hash when it accepts our proof. */
  expectMac(mac: PacketHash): void {
    this.#mac = mac;
  }

  /** True while the server has sent nothing that only it can send. */
  get awaitsMac(): boolean {
    return this.#mac !== undefined;
  }

  #check(packet: PacketView): void {
    const mac = this.#mac;
    if (mac === undefined || !mac.fits(packet)) {
      checkHash(packet, this.#hash);
      return;
    }
    this.#hash = mac;
    this.#mac = undefined;
  }

  receive(chunk: Buffer): void {
    this.#reader.receive(chunk);
  }

  /** @throws IscepError `protocol` or `too_large`; the connection cannot be used any more then */
  next(): Version2ClientEvent | undefined {
    while (this.#next === this.#messages.length) {
      const packet = this.#reader.next();
      if (packet === undefined) return undefined;
      if (packet === null) throw new IscepError("protocol", "the server said that it is gone (a packet of size 0)");
      this.#check(packet);
      if (packet.type === PacketType.DATA) return outputOf(packet);
      if (packet.type !== PacketType.MESSAGES) {
        throw new IscepError("protocol", `packet type ${packet.type} has no place in a session of version 2`);
      }
      this.#messages = messagesOf(packet, this.#limits);
      this.#next = 0;
    }
    const message: unknown = this.#messages[this.#next++];
    if (this.#next === this.#messages.length) {
      this.#messages = noMessages;
      this.#next = 0;
    }
    return readServerMessage(message);
  }
}

function outputOf(packet: PacketView): Version2ClientEvent {
  const { stream, channel, offset, bytes } = decodeData(packet);
  if (channel === "stdin") throw new IscepError("protocol", "the server sent data of standard input");
  return { kind: "data", stream, channel, offset, bytes };
}

/** @throws IscepError `protocol` */
export function readServerMessage(message: unknown): Version2ClientEvent {
  if (!isJsonObject(message) || message["jsonrpc"] !== "2.0")
    throw new IscepError("protocol", "a message is no JSON-RPC 2.0");
  const { id, method, error } = message;
  if (typeof method === "string" && id === undefined) {
    return { kind: "notification", method, params: isJsonObject(message["params"]) ? message["params"] : {} };
  }
  if (typeof id !== "number")
    throw new IscepError("protocol", "a message of the server is neither a response nor a notification");
  if ("result" in message) return { kind: "result", id, result: message["result"] };
  if (!isJsonObject(error)) throw new IscepError("protocol", "a response has neither a result nor an error");
  const data = isJsonObject(error["data"]) ? error["data"] : {};
  const code = typeof data["code"] === "string" && isErrorCode(data["code"]) ? data["code"] : "failed";
  const text = typeof error["message"] === "string" ? error["message"] : undefined;
  return { kind: "error", id, error: new IscepError(code, text, { details: detailsOf(data) }), data };
}

function detailsOf(data: JsonObject): Record<string, unknown> {
  const { code: _, details: own, ...details } = data;
  // The command's own details, under the names of the protocol.
  return isJsonObject(own) ? { ...own, ...details } : details;
}

/** @throws IscepError `invalid_arguments` when JSON cannot hold a value. */
export function requestText(id: number, method: string, params: unknown, limits: JsonLimits): string {
  return `{"jsonrpc":"2.0","id":${id},"method":"${method}","params":${encodeJson(params, limits) ?? "{}"}}`;
}

/**
 * The text of a call. It is made most often, so it is made without an object in between.
 * @throws IscepError `invalid_arguments`
 */
export function callText(id: number, command: string, args: unknown, more: string, limits: JsonLimits): string {
  if (command !== lastCommand) {
    lastMembers = `,"method":"call","params":{"command":${JSON.stringify(command)}`;
    lastCommand = command;
  }
  const encoded = args === undefined ? undefined : encodeJson(args, limits);
  if (encoded === undefined) return `{"jsonrpc":"2.0","id":${id}${lastMembers}${more}}}`;
  return `{"jsonrpc":"2.0","id":${id}${lastMembers},"args":${encoded}${more}}}`;
}

/** Many calls of one command follow each other, and this part is the same for all. */
let lastCommand: string | undefined;
let lastMembers = "";
