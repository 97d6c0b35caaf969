/** The codes of packets with a key. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { maxPlaces, packetMac } from "#iscep/wire/packet-mac";
import { encodeDataPacket, encodeDataParts } from "#iscep/wire/version2";
import { packetKeys } from "#iscep/session/proof";

test("a packet made in parts has the same code as one that is made whole, and no place counts twice", () => {
  const keyBytes = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }),
          fc.integer({ min: 4_040, max: 4_060 }).map((length) => Buffer.alloc(length, "x")),
        ),
        { maxLength: 5 },
      ),
      keyBytes,
      fc.option(keyBytes, { nil: undefined }),
      (pieces, hmac, gmac) => {
        const key = { hmac, gmac };
        const [whole, parts, receiver] = [packetMac(key), packetMac(key), packetMac(key)];
        pieces.forEach((bytes, index) => {
          const packet = encodeDataPacket(1, "stdout", index, bytes, whole);
          expect(Buffer.concat(encodeDataParts(1, "stdout", index, bytes, parts)).equals(packet)).toBe(true);
          const view = { type: 9, bytes: packet, start: 6, end: packet.length - 32 };
          expect(receiver.fits(view)).toBe(true);
          expect(receiver.fits(view)).toBe(false);
          expect(packetMac(key).fits(view)).toBe(index === 0);
        });
      },
    ),
  );
});

/** A nonce that counts twice shows the key of a GMAC. */
test("no nonce is used twice: keys differ by session, side and use, places by packet, and they come to an end", () => {
  const keysOf = (message: string) => {
    const { client, server } = packetKeys(Buffer.alloc(32, 7), Buffer.from(message), "hmac-gmac");
    return [client.hmac, client.gmac, server.hmac, server.gmac].map((key) => key?.toString("hex"));
  };
  const all = ["one session", "other nonces"].flatMap(keysOf);
  expect(new Set(all).size).toBe(8);
  expect(all).not.toContain(undefined);

  const key = { hmac: Buffer.alloc(32, 1), gmac: Buffer.alloc(32, 2) };
  const mac = packetMac(key);
  const codes = Array.from({ length: 300 }, () =>
    encodeDataPacket(1, "stdout", 0, Buffer.alloc(5_000), mac).toString("hex", 5_019),
  );
  expect(new Set(codes).size).toBe(300);

  for (const length of [10, 5_000]) {
    const bytes = Buffer.alloc(length);
    const [sender, receiver] = [packetMac(key, maxPlaces - 1), packetMac(key, maxPlaces - 1)];
    const last = encodeDataPacket(1, "stdout", 0, bytes, sender);
    const view = { type: 9, bytes: last, start: 6, end: last.length - 32 };
    expect(receiver.fits(view)).toBe(true);
    expect(() => encodeDataPacket(1, "stdout", 0, bytes, sender)).toThrow(/all packets that its keys are for/);
    expect(() => encodeDataParts(1, "stdout", 0, bytes, sender)).toThrow(/all packets that its keys are for/);
    expect(() => receiver.fits(view)).toThrow(/all packets that its keys are for/);
  }
});
