/**
 * Faults that broke the original, or that it answered without a word: what was tried, by what it was tried on. Each has
 * a test here whose name is the fault, and test/faults/rows.test.ts sees to that.
 */
import { test } from "vitest";

export const faults = {
  framing: [
    "a packet byte at a time",
    "2 or 3 bytes of the size first",
    "4 bytes of the size, then the rest in one segment",
    "4 bytes, then 6, then the rest",
    "3 packets pipelined over plain TCP",
    "2 packets in one TLS record",
    "a plain request of n characters, up to 64 MiB",
    "a TLS request of n characters, up to 64 MiB",
    "an answer of n bytes, plain, as the original's client reads it",
    "an answer of n bytes, TLS, as the original's client reads it",
    "size 0",
    "size 1, 2, 33 or 34 where 100 is true",
    "size 35, 36 or 99 where 100 is true",
    "size 101 where 100 is true: one too many",
    "size 2^31-1, 2^31 or 2^32-1 with a small real body",
    "sizes of gigabytes under a limit of memory",
    "100 connections that each claim 4 GiB",
    "a 34-byte packet with an empty body",
    "a bad checksum",
    "an upper-case checksum",
    "a checksum that is not UTF-8",
  ],
  content: [
    "invalid UTF-8, invalid JSON, trailing data, a BOM, UTF-16",
    "null, [], 5, a string or true as the content",
    "{} as the content",
    "an unknown key, a __proto__ key, a __class__ key",
    "__proto__ and constructor inside args",
    "duplicate keys",
    "JSON nested 900, 1 000 and 20 000 deep",
    "an integer of 4 300 and of 4 301 digits",
    "NaN, -Infinity and 1e400",
    "a lone surrogate",
    "auth_token is 5, true, an object or a list",
    "packet types 3, 5 and 6 from a client",
    "packet types 7, 99, 65535 and 0x0100",
    "CLOSE_CONNECTION without a good token",
    "ECHO with a token in it",
  ],
  commands: [
    "missing and extra arguments, args of another type, an argument named self",
    "arguments of the wrong type",
    "command is [], 5, empty, absent or unknown",
    "a command that raises, also an exit",
    "a result of nothing, of bytes, of NaN",
    "a command that takes a string or nothing, in the discovery",
    "a command that outlives its client's timeout",
    "a slow command, then an echo on the same connection",
    "a half-close of the client while its command runs",
    "kill -9 of the client in the middle of a command",
    "3 clients that ask for 50 MB and never read",
  ],
  connections: [
    "an idle connection",
    "more connections than the limit",
    "a TCP connection to a TLS port without a ClientHello",
    "a TCP connection to a TLS port without a ClientHello, then the stop of the server",
    "half packets without a token",
    "508 connections in a row with logs",
    "connections in a row without logs",
    "plaintext to a TLS port",
    "a server whose certificate file does not exist",
    "a client whose certificate file does not exist",
    "a server whose tokens file does not exist",
    "a restart of the server under its client",
    "IPv6",
  ],
  tokens: [
    "a tokens file deleted, emptied, cut, null, a list or a string while the server runs",
    "a tokens file of {}",
    "a tokens file rewritten again and again under load",
    "8 tokens added at once",
    "kill -9 in the middle of adding a token",
    "a token removed while its owner is connected",
    "the mode of tokens file and logs",
    "comparing tokens",
    "thousands of wrong tokens on one connection",
    "expiry and scopes",
  ],
  shutdown: [
    "SIGTERM in the middle of a command",
    "SIGINT in the middle of a command",
    "SIGINT with a client that keeps talking",
  ],
  logs: [
    "args is a string with a newline",
    "an unknown key with a newline, without a token",
    "a checksum field with newline and escape, without a token",
    "an exception text with a newline",
    "args with a newline inside",
    "secrets in logs and output",
    "amplification: malformed packets that fill the logs",
    "a logger that prints once more for each client",
  ],
} as const;

export type Fault = (typeof faults)[keyof typeof faults][number];

/** A test that is named after the fault that it shows. */
export function fault(name: Fault, body: () => unknown, timeoutMs?: number): void {
  test(name, async () => void (await body()), timeoutMs);
}
