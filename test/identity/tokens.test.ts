import fc from "fast-check";
import { createHash, createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import {
  clientKey,
  isTokenId,
  mintToken,
  parseToken,
  quoteUnlessToken,
  secretOf,
  serverKey,
  storedKeyOf,
} from "#iscep/identity/tokens";

const fixed = "isct_0123456789AB_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ";

describe("tokens", () => {
  test("have the promised shape, and differ", () => {
    const tokens = Array.from({ length: 200 }, mintToken);
    for (const token of tokens) {
      expect(token).toMatch(/^isct_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}$/);
      expect(parseToken(token)?.id).toBe(token.slice(5, 17));
      expect(parseToken(token)?.secret).toBe(token.slice(18, 61));
    }
    expect(new Set(tokens).size).toBe(200);
  });

  test("use all 62 characters evenly", () => {
    const counts = new Map<string, number>();
    const letters = Array.from({ length: 2_000 }, () => mintToken().slice(18, 61)).join("");
    for (const letter of letters) counts.set(letter, (counts.get(letter) ?? 0) + 1);
    const mean = letters.length / 62; // about 1,387, so 8 standard deviations are 298
    expect(counts.size).toBe(62);
    for (const count of counts.values()) expect(Math.abs(count - mean)).toBeLessThan(300);
  });

  test("carry the CRC-32 of what stands before it, in base62", () => {
    expect(base62(crc32Bitwise(fixed))).toBe("4Oinlq"); // worked out by another program
    expect(parseToken(`${fixed}4Oinlq`)).toEqual({
      id: "0123456789AB",
      secret: "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ",
    });
    expect(crc32Bitwise("123456789")).toBe(0xcbf43926); // the check value of CRC-32
  });

  test("with one character changed, more or less are not tokens", () => {
    const token = mintToken();
    fc.assert(
      fc.property(fc.nat(token.length - 1), fc.constantFrom(..."09AZaz_-"), (index, letter) => {
        fc.pre(token[index] !== letter);
        expect(parseToken(token.slice(0, index) + letter + token.slice(index + 1))).toBeUndefined();
        expect(parseToken(token.slice(0, index) + token.slice(index + 1))).toBeUndefined();
        expect(parseToken(token.slice(0, index) + letter + token.slice(index))).toBeUndefined();
      }),
    );
    expect(parseToken(`${token}\n`)).toBeUndefined();
    expect(parseToken("")).toBeUndefined();
  });

  test("have keys as in RFC 5802 without the slow hash", () => {
    const secret = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ";
    expect(storedKeyOf(clientKey(secret)).toString("hex")).toBe(
      createHash("sha256").update(createHmac("sha256", secret).update("client").digest()).digest("hex"),
    );
    expect(serverKey(secret)).toEqual(createHmac("sha256", secret).update("server").digest());
    expect(storedKeyOf(clientKey("secret")).toString("hex")).toBe(vector.storedKey);
    expect(serverKey("secret").toString("hex")).toBe(vector.serverKey);
  });

  test("of the original are their own secret", () => {
    expect(secretOf("ab".repeat(256))).toBe("ab".repeat(256));
    const token = mintToken();
    expect(secretOf(token)).toBe(token.slice(18, 61));
  });

  test("never show in messages", () => {
    expect(quoteUnlessToken(mintToken())).not.toContain("isct_");
    expect(quoteUnlessToken("ab".repeat(256))).not.toContain("abab");
    expect(quoteUnlessToken("alice")).toBe('"alice"');
    expect(isTokenId("0123456789AB")).toBe(true);
    expect(isTokenId("0123456789A-")).toBe(false);
  });
});

function crc32Bitwise(text: string): number {
  let crc = 0xffffffff;
  for (const byte of Buffer.from(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

function base62(value: number): string {
  const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  return Array.from({ length: 6 }, (_, index) => alphabet[Math.floor(value / 62 ** (5 - index)) % 62]).join("");
}

// printf client | openssl dgst -sha256 -mac HMAC -macopt key:secret, and so on
const vector = {
  storedKey: "7ce40758e6eed71546f311b97a1a10e96dbfbb87496ec76911e18fc413a9168e",
  serverKey: "04515f9d0a0eaf25113f1fad09fb1c86dd81c070af7942182af94dec02a8eb4e",
};
