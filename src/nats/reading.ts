/**
 * The library reads the headers of a message when they are asked for, and throws when they are wrong. An error that is
 * thrown while a message is handled ends the reading for good, although the connection stays open. So anybody who may
 * publish to us could make us deaf.
 */
import type { NatsConnection } from "@nats-io/transport-node";
import { IscepError } from "../errors.js";

interface Reader {
  processMsg(message: { hdr: number }, data: Uint8Array): void;
}

/** What stands in place of headers that the library cannot read. */
const unreadable = Buffer.from("NATS/1.0 400 unreadable headers\r\n\r\n");

/**
 * The work of the library grows with the square of the number of fields, so a message of 1 MiB would stop us for minutes.
 * Our messages have at most 10 fields, in some 3 KiB.
 */
const maxHeaderBytes = 16 * 1024;

/** These the library can read, at most 100 fields. */
const readable = /^NATS\/1\.0[^\r\n]*\r\n(?:[!-9;-~]*:[^\r\n]*\r\n){0,100}\r\n$/;

/**
 * Goes on reading, whatever comes. Headers that cannot be read, or are too large, are replaced by a status (`hasError`), for our own
 * subscriptions and for those of the library.
 * @param failed gets what a handler of a message has thrown
 */
export function keepReading(connection: NatsConnection, failed: (error: unknown) => void): void {
  const reader: unknown = Reflect.get(connection, "protocol");
  if (!isReader(reader))
    throw new IscepError("internal", "the library of NATS is not the one that iscep was built with");
  const handle = reader.processMsg.bind(reader);
  reader.processMsg = (message, data) => {
    try {
      const { hdr } = message;
      if (hdr <= 0 || isReadable(data.subarray(0, hdr))) handle(message, data);
      else handle({ ...message, hdr: unreadable.length }, Buffer.concat([unreadable, data.subarray(hdr)]));
    } catch (error) {
      failed(error);
    }
  };
}

function isReadable(header: Uint8Array): boolean {
  return header.length <= maxHeaderBytes && readable.test(latin1(header));
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

function isReader(value: unknown): value is Reader {
  return typeof value === "object" && value !== null && "processMsg" in value && typeof value.processMsg === "function";
}
