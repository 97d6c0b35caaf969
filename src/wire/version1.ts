/**
 * Packets of version 1. The content is a JSON object with at most five known keys, and the hash is its MD5 in
 * lower-case hex (PROTOCOL.md, "The packet"). The MD5 finds broken bytes. It does not protect against attackers; TLS
 * does that.
 */
import { hash } from "node:crypto";
import { IscepError } from "../errors.js";
import { encodeJson, isJsonObject, parseJson, type JsonLimits } from "./json.js";
import { hashBytes, headerBytes, minPacketSize, sizeFieldBytes, type PacketView } from "./packet.js";

/** In version 1, null and absent mean the same. So a key that is here has a value. */
export interface Version1Content {
  readonly auth_token?: string;
  readonly command?: unknown;
  readonly args?: unknown;
  readonly error?: unknown;
  readonly response?: unknown;
}

const knownKeys: ReadonlySet<string> = new Set(["auth_token", "command", "args", "error", "response"]);

/** One packet. Write it in one write, because the original reads a packet with one recv. */
export function encodePacket(type: number, contentText: string): Buffer {
  const contentBytes = Buffer.byteLength(contentText);
  const packet = Buffer.allocUnsafe(headerBytes + contentBytes + hashBytes);
  packet.writeUInt32BE(minPacketSize + contentBytes, 0);
  packet.writeUInt16BE(type, sizeFieldBytes);
  packet.write(contentText, headerBytes, "utf8");
  packet.write(hash("md5", contentText), headerBytes + contentBytes, "latin1");
  return packet;
}

/**
 * The text of a content object. Keys whose value is null or undefined are left out.
 * @throws IscepError `invalid_arguments` when a value cannot be sent as JSON.
 */
export function encodeContent(content: Version1Content, limits: JsonLimits): string {
  let text = content.auth_token === undefined ? "{" : `{"auth_token":${encodedToken(content.auth_token)}`;
  if (typeof content.command === "string") {
    text += `${text.length === 1 ? "" : ","}"command":${JSON.stringify(content.command)}`;
  } else {
    text = member(text, "command", content.command, limits);
  }
  text = member(text, "args", content.args, limits);
  text = member(text, "error", content.error, limits);
  text = member(text, "response", content.response, limits);
  return `${text}}`;
}

let lastToken = "";
let lastEncoded = '""';

/** A client sends the same token with every packet, and to encode it costs as much as the rest of a small call. */
function encodedToken(token: string): string {
  if (token !== lastToken) {
    lastToken = token;
    lastEncoded = JSON.stringify(token);
  }
  return lastEncoded;
}

function member(text: string, key: string, value: unknown, limits: JsonLimits): string {
  if (value === undefined || value === null) return text;
  const encoded = encodeJson(value, limits);
  if (encoded === undefined) return text;
  return `${text}${text.length === 1 ? "" : ","}"${key}":${encoded}`;
}

/**
 * @throws IscepError `protocol` when the checksum, the JSON or a key is wrong. The packet's bounds were right, so the
 *   stream is still in step and the connection may go on.
 */
export function decodeContent(packet: PacketView, limits: JsonLimits): Version1Content {
  const content = packet.bytes.subarray(packet.start, packet.end);
  if (packet.bytes.toString("latin1", packet.end, packet.end + hashBytes) !== hash("md5", content)) {
    throw new IscepError("protocol", "the checksum is not the MD5 of the content in lower-case hex");
  }
  const value = parseJson(content, limits);
  if (!isJsonObject(value)) throw new IscepError("protocol", "the content is not a JSON object");
  for (const key of Object.keys(value)) {
    // The message does not name the key, which is the peer's text, because messages go to logs and terminals.
    if (!knownKeys.has(key)) throw new IscepError("protocol", "the content has a key that version 1 does not know");
    if (value[key] === null) delete value[key];
  }
  const token = value["auth_token"];
  if (token !== undefined && typeof token !== "string") {
    throw new IscepError("protocol", "auth_token is not a string");
  }
  return value;
}
