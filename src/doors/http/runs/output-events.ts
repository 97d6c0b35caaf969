/**
 * Output as events. Text is told as text, and bytes that are no UTF-8 as base64. A character that is cut between two
 * pieces is told as base64 of its parts, because each piece must have its own offset.
 */
import { isUtf8 } from "node:buffer";
import type { OutputChunk } from "../../../client/protocol/run-output.js";
import { bytesNeedNoEscape } from "../../../wire/json-long-text.js";

/** The id of each event is the offset behind it, where a reader goes on after it. */
export function outputEvents({ channel, offset, bytes }: OutputChunk): Uint8Array[] {
  const texts: Uint8Array[] = [];
  let at = offset;
  for (const part of partsOf(bytes)) {
    const end = at + part.bytes.length;
    const head = `id: ${end}\nevent: output\ndata: {"channel":"${channel}","offset":${at},`;
    // Most long text needs neither a text made of it nor an escape.
    if (part.isSimple) texts.push(Buffer.from(`${head}"text":"`), part.bytes, endOfText);
    else texts.push(Buffer.from(`${head}${valueOf(part)}}\n\n`));
    at = end;
  }
  return texts;
}

const endOfText = Buffer.from('"}\n\n');

function valueOf({ bytes, isText }: Part): string {
  if (isText) return `"text":${JSON.stringify(buffer(bytes).toString("utf8"))}`;
  return `"base64":"${buffer(bytes).toString("base64")}"`;
}

interface Part {
  readonly bytes: Uint8Array;
  readonly isText: boolean;
  /** True when the text needs no escape in JSON. */
  readonly isSimple?: boolean;
}

function partsOf(bytes: Uint8Array): Part[] {
  if (bytesNeedNoEscape(bytes)) return [{ bytes, isText: true, isSimple: true }];
  if (isUtf8(bytes)) return [{ bytes, isText: true }];
  let begin = 0;
  while (begin < 3 && begin < bytes.length && isContinuation(bytes[begin])) begin++;
  let end = bytes.length;
  for (let back = 1; back <= 3 && back <= bytes.length - begin; back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (isContinuation(byte)) continue;
    if (byte >= 0xc0 && charLength(byte) > back) end = bytes.length - back;
    break;
  }
  const middle = bytes.subarray(begin, end);
  if (middle.length === 0 || !isUtf8(middle)) return [{ bytes, isText: false }];
  return [
    { bytes: bytes.subarray(0, begin), isText: false },
    { bytes: middle, isText: true },
    { bytes: bytes.subarray(end), isText: false },
  ].filter((part) => part.bytes.length > 0);
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

function charLength(lead: number): number {
  return lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
}

function buffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
