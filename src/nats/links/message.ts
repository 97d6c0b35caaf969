/** The messages of a link: kind 1 | number 6 | rest (PROTOCOL.md, "Over NATS"). Numbers are big-endian. */
import { IscepError } from "../../errors.js";

export const linkHeaderBytes = 7;

const bytesKind = 0;
const creditKind = 1;
const endKind = 2;
const breakKind = 3;

export type LinkMessage =
  | { readonly kind: "bytes"; readonly offset: number; readonly bytes: Buffer }
  /** `consumed` bytes were consumed in all, and `window` bytes more than these may be sent. */
  | { readonly kind: "credit"; readonly consumed: number; readonly window: number }
  /** The stream ends here. */
  | { readonly kind: "end"; readonly offset: number }
  /** The link cannot be used any more. */
  | { readonly kind: "break"; readonly reason: string };

/** A longer reason is cut, because it goes into errors and logs of the other side. */
const maxReasonCharacters = 200;

/** A message of kind bytes; the caller fills the space behind the header. */
export function bytesMessage(offset: number, length: number): Buffer {
  const message = Buffer.allocUnsafe(linkHeaderBytes + length);
  message[0] = bytesKind;
  message.writeUIntBE(offset, 1, 6);
  return message;
}

export function creditMessage(consumed: number, window: number): Buffer {
  const message = Buffer.allocUnsafe(linkHeaderBytes + 4);
  message[0] = creditKind;
  message.writeUIntBE(consumed, 1, 6);
  message.writeUInt32BE(window, linkHeaderBytes);
  return message;
}

export function endMessage(offset: number): Buffer {
  const message = Buffer.allocUnsafe(linkHeaderBytes);
  message[0] = endKind;
  message.writeUIntBE(offset, 1, 6);
  return message;
}

export function breakMessage(reason: string): Buffer {
  const text = Buffer.from(reason.slice(0, maxReasonCharacters));
  const message = Buffer.alloc(linkHeaderBytes + text.length);
  message[0] = breakKind;
  text.copy(message, linkHeaderBytes);
  return message;
}

/** The bytes are not copied. @throws IscepError `protocol` */
export function readLinkMessage(data: Uint8Array): LinkMessage {
  const message = Buffer.from(data.buffer, data.byteOffset, data.length);
  if (message.length < linkHeaderBytes) throw new IscepError("protocol", "a message of the link is too short");
  const number = message.readUIntBE(1, 6);
  const rest = message.subarray(linkHeaderBytes);
  switch (message[0]) {
    case bytesKind:
      if (rest.length === 0) throw new IscepError("protocol", "a message of the link has no bytes");
      return { kind: "bytes", offset: number, bytes: rest };
    case creditKind:
      if (rest.length !== 4) throw new IscepError("protocol", "a credit of the link has the wrong length");
      return { kind: "credit", consumed: number, window: rest.readUInt32BE(0) };
    case endKind:
      return { kind: "end", offset: number };
    case breakKind:
      return { kind: "break", reason: rest.toString("utf8").slice(0, maxReasonCharacters) };
    default:
      throw new IscepError("protocol", `a message of the link has the kind ${message[0]}, which does not exist`);
  }
}
