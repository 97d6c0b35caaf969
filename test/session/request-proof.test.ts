/** A token is proven for one request, and for nothing else. */
import { createHash, createHmac, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { clientKey, secretOf, storedKeyOf } from "#iscep/identity/tokens";
import { tokenReference } from "#iscep/session/proof";
import {
  isProvenRequest,
  proofHeader,
  provenHeaders,
  queuedRunId,
  readProofHeader,
  requestMessage,
  type ProvenHeaders,
  type ProvenRequest,
} from "#iscep/session/request-proof";

interface Vector {
  readonly name: string;
  readonly service: string;
  readonly command: string;
  readonly to: string;
  readonly time_ms: number;
  readonly nonce: string;
  readonly headers: ProvenHeaders;
  readonly payload_utf8: string;
  readonly message: string;
  readonly header: string;
  readonly run?: string;
}

const vectors = JSON.parse(readFileSync(new URL("../vectors/nats.json", import.meta.url), "utf8")) as {
  readonly token: string;
  readonly client_key: string;
  readonly stored_key: string;
  readonly requests: readonly Vector[];
};

const key = clientKey(secretOf(vectors.token));
const keys = { clientKey: key, storedKey: storedKeyOf(key) };

function requestOf(vector: Vector): ProvenRequest {
  const { service, command, to, nonce, headers, time_ms: timeMs, payload_utf8: payload } = vector;
  return { service, command, to, timeMs, nonce, headers, payload: Buffer.from(payload) };
}

describe.each(vectors.requests)("the vector of $name", (vector) => {
  const request = requestOf(vector);

  test("is what this code makes and accepts", () => {
    expect(key.toString("hex")).toBe(vectors.client_key);
    expect(keys.storedKey.toString("hex")).toBe(vectors.stored_key);
    expect(requestMessage(request).toString("hex")).toBe(vector.message);
    expect(proofHeader(request, keys)).toBe(vector.header);
    const { proven, ...named } = readProofHeader(vector.header) ?? {};
    expect(named).toEqual({ to: vector.to, timeMs: vector.time_ms, nonce: vector.nonce });
    expect(proven?.reference).toBe(tokenReference(keys.storedKey));
    expect(isProvenRequest(keys.storedKey, proven?.proof ?? Buffer.alloc(0), request)).toBe(true);
    if (vector.run !== undefined) expect(queuedRunId(request, proven?.reference ?? "")).toBe(vector.run);
  });

  test("can be made from PROTOCOL.md alone", () => {
    const parts = [
      "iscep nats request",
      vector.service,
      vector.command,
      vector.to,
      String(vector.time_ms),
      vector.nonce,
      vector.headers["Iscep-Timeout"] ?? "",
      vector.headers["Iscep-Detach"] ?? "",
      vector.headers["Idempotency-Key"] ?? "",
      createHash("sha256").update(vector.payload_utf8).digest(),
    ].map((part) => Buffer.from(part));
    const message = Buffer.concat(
      parts.flatMap((part) => [Buffer.from(part.length.toString(16).padStart(8, "0"), "hex"), part]),
    );
    expect(message.toString("hex")).toBe(vector.message);
    const mask = createHmac("sha256", keys.storedKey).update(message).digest();
    const proof = Buffer.from(mask.map((byte, index) => byte ^ (key[index] ?? 0))).toString("base64url");
    expect(vector.header.endsWith(`,proof=${proof}`)).toBe(true);
  });
});

const instance = fc.stringMatching(/^[A-Za-z0-9]{12}$/);
const nonces = fc.stringMatching(/^[A-Za-z0-9_-]{16,64}$/);
const text = fc.string({ unit: "grapheme", maxLength: 20 });
const requests: fc.Arbitrary<ProvenRequest> = fc.record({
  service: fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/),
  command: fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_.:-]{0,20}$/),
  to: fc.oneof(fc.constant("any"), fc.constant("queue"), instance),
  timeMs: fc.integer({ min: 1, max: 10 ** 14 - 1 }),
  nonce: nonces,
  headers: fc.record({ "Iscep-Timeout": text, "Iscep-Detach": text, "Idempotency-Key": text }, { requiredKeys: [] }),
  payload: fc.uint8Array({ maxLength: 64 }),
});

/** The same request but for one thing. A header that is empty and one that is missing are the same. */
function differs(one: ProvenRequest, other: ProvenRequest): boolean {
  const facts = ({ headers, payload, ...rest }: ProvenRequest): string =>
    JSON.stringify([
      rest.service,
      rest.command,
      rest.to,
      rest.timeMs,
      rest.nonce,
      provenHeaders.map((name) => headers[name] ?? ""),
      Buffer.from(payload).toString("hex"),
    ]);
  return facts(one) !== facts(other);
}

test("a proof counts for its own request, and not when anything of it is another", () => {
  const parts = ["service", "command", "to", "timeMs", "nonce", "headers", "payload"] as const;
  fc.assert(
    fc.property(requests, requests, fc.subarray([...parts], { minLength: 1 }), (request, donor, changed) => {
      const { proven } = readProofHeader(proofHeader(request, keys)) ?? {};
      const proof = proven?.proof ?? Buffer.alloc(0);
      expect(isProvenRequest(keys.storedKey, proof, request)).toBe(true);
      const other = { ...request, ...Object.fromEntries(changed.map((part) => [part, donor[part]])) };
      expect(isProvenRequest(keys.storedKey, proof, other)).toBe(!differs(request, other));
    }),
  );
});

test("a proof of another token, or with any bit changed, does not count", () => {
  fc.assert(
    fc.property(requests, fc.nat(255), (request, bit) => {
      const { proven } = readProofHeader(proofHeader(request, keys)) ?? {};
      const proof = Buffer.from(proven?.proof ?? []);
      expect(isProvenRequest(storedKeyOf(randomBytes(32)), proof, request)).toBe(false);
      proof.writeUInt8(proof.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(isProvenRequest(keys.storedKey, proof, request)).toBe(false);
      expect(isProvenRequest(keys.storedKey, proof.subarray(1), request)).toBe(false);
    }),
  );
});

test("the bytes of two requests are never the same, however their parts are cut", () => {
  fc.assert(
    fc.property(requests, requests, (one, other) => {
      expect(requestMessage(one).equals(requestMessage(other))).toBe(!differs(one, other));
    }),
  );
});

test("a header is read as it was written, with and without a token", () => {
  fc.assert(
    fc.property(requests, fc.boolean(), (request, isProven) => {
      const read = readProofHeader(proofHeader(request, isProven ? keys : undefined));
      expect(read).toMatchObject({ to: request.to, timeMs: request.timeMs, nonce: request.nonce });
      expect(read?.proven?.reference).toBe(isProven ? tokenReference(keys.storedKey) : undefined);
    }),
  );
});

const good = vectors.requests[0]?.header ?? "";

test.each([
  ["empty", ""],
  ["no fields", "hello"],
  ["a field twice", `${good},to=any`],
  ["an unknown field", `${good},more=1`],
  ["a token without its proof", good.replace(/,proof=.*/, "")],
  ["a proof without its token", good.replace(/^token=[^,]*,/, "")],
  ["no time", good.replace(/,time=\d+/, "")],
  ["a time that is no number", good.replace(/time=\d+/, "time=1e9")],
  ["a nonce that is too short", good.replace(/nonce=[^,]*/, "nonce=abc")],
  ["a nonce that is too long", good.replace(/nonce=[^,]*/, `nonce=${"a".repeat(65)}`)],
  ["a proof of another length", good.slice(0, -1)],
  ["a subject instead of an instance", good.replace("to=any", "to=a.>")],
  ["a name of every object", good.replace("to=", "constructor=")],
])("a header that is wrong is none: %s", (_, header) => {
  expect(readProofHeader(header)).toBeUndefined();
});

test("no text makes the reader of the header throw", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^((token|to|time|nonce|proof)=\w*,?)*$/)), (header) => {
      readProofHeader(header);
    }),
  );
});

test("the id of a queued run is a UUIDv7 with the time of the request, and another one for each request", () => {
  fc.assert(
    fc.property(requests, requests, (request, other) => {
      const id = queuedRunId(request, "reference");
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      expect(Number.parseInt(id.replace("-", "").slice(0, 12), 16)).toBe(request.timeMs);
      expect(queuedRunId(request, "another")).not.toBe(id);
      const isSame = other.service === request.service && other.nonce === request.nonce;
      if (!isSame) expect(queuedRunId({ ...other, timeMs: request.timeMs }, "reference")).not.toBe(id);
    }),
  );
});
