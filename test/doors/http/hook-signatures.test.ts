/** Signatures of webhooks, and the arguments that their bodies give. */
import { createHmac } from "node:crypto";
import { type HookDefinition } from "iscep/http";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileHook } from "#iscep/hooks/definition";
import { argumentsOf, isSigned, type Delivery } from "#iscep/hooks/delivery";
import { defaultLimits } from "#iscep/limits/limits";
import { githubPush, githubVector, standardVector, type RecordedDelivery } from "../../support/deliveries.js";
import { watchForLeaks } from "../../support/leaks.js";
import { secretFile } from "../../support/hook-deliveries.js";

watchForLeaks();

function deliveryOf({ headers, body }: RecordedDelivery, changed: Record<string, string> = {}): Delivery {
  const all: Record<string, string> = { ...headers, ...changed };
  return { header: (name) => all[name.toLowerCase()], body: Buffer.from(body) };
}

const atMs = 1_614_265_330_000;

describe("a signature", () => {
  test("is good in the documented examples of GitHub, and in a push of the documented shape", () => {
    const hook = compileHook("x", { command: "x", kind: "github", secret: secretFile(githubVector.secret) });
    for (const recorded of [githubVector, githubPush]) {
      expect(isSigned(hook, deliveryOf(recorded), atMs, 300_000)).toBe(true);
      const other = `sha256=${createHmac("sha256", "another secret, as long").update(recorded.body).digest("hex")}`;
      expect(isSigned(hook, deliveryOf(recorded, { "x-hub-signature-256": other }), atMs, 300_000)).toBe(false);
    }
  });

  test("is good in the documented example of Standard Webhooks, among others, and not when it is too old", () => {
    const hook = compileHook("x", { command: "x", kind: "standard", secret: secretFile(standardVector.secret) });
    const signed = (changed: Record<string, string>, nowMs = atMs): boolean =>
      isSigned(hook, deliveryOf(standardVector, changed), nowMs, 300_000);
    const good = standardVector.headers["webhook-signature"] ?? "";
    expect(signed({})).toBe(true);
    expect(signed({ "webhook-signature": `v1a,abc v1,AAAA ${good} v2,x` })).toBe(true);
    expect([-300_001, 300_001].map((offMs) => signed({}, atMs + offMs))).toEqual([false, false]);
    expect(signed({ "webhook-timestamp": "1614265331" })).toBe(false);
    expect(signed({ "webhook-id": "msg_other" })).toBe(false);
    expect(signed({ "webhook-signature": good.replace("v1,", "v2,") })).toBe(false);
    expect(signed({ "webhook-timestamp": "1614265330.0" })).toBe(false);
  });

  test("of plain HMAC is hex or base64 in a header of one's choice", () => {
    const secret = "0123456789abcdef";
    const signatureHeader = "X-Gitea-Signature";
    const hook = compileHook("x", { command: "x", kind: "hmac", secret: secretFile(secret), signatureHeader });
    const digest = createHmac("sha256", secret).update("body").digest();
    for (const text of [
      digest.toString("hex"),
      `sha256=${digest.toString("hex")}`,
      digest.toString("base64"),
      digest.toString("base64url"),
    ])
      expect(isSigned(hook, deliveryOf({ secret, headers: { "x-gitea-signature": text }, body: "body" }), 0, 0)).toBe(
        true,
      );
    expect(
      isSigned(
        hook,
        deliveryOf({ secret, headers: { "x-signature-256": digest.toString("hex") }, body: "body" }),
        0,
        0,
      ),
    ).toBe(false);
  });

  test("of any of several secrets is good, so that one can take the place of another", () => {
    const places = ["the old secret, 16+", "the new secret, 16+"].map(secretFile);
    const hook = compileHook("x", { command: "x", kind: "github", secret: places });
    for (const secret of ["the old secret, 16+", "the new secret, 16+"]) {
      const signature = `sha256=${createHmac("sha256", secret).update("{}").digest("hex")}`;
      expect(
        isSigned(hook, deliveryOf({ secret, headers: { "x-hub-signature-256": signature }, body: "{}" }), 0, 0),
      ).toBe(true);
    }
  });

  test("that any byte of it or of the body differs from is not good", () => {
    const hook = compileHook("x", { command: "x", kind: "github", secret: secretFile(githubPush.secret) });
    const body = Buffer.from(githubPush.body);
    fc.assert(
      fc.property(fc.nat(body.length - 1), fc.integer({ min: 1, max: 255 }), fc.string(), (at, flip, text) => {
        const changed = Buffer.from(body);
        changed[at] = (changed[at] ?? 0) ^ flip;
        const { header } = deliveryOf(githubPush);
        expect(isSigned(hook, { header, body: changed }, 0, 0)).toBe(false);
        expect(isSigned(hook, deliveryOf(githubPush, { "x-hub-signature-256": text }), 0, 0)).toBe(false);
      }),
      { numRuns: 200 },
    );
  });
});

describe("arguments", () => {
  const hookWith = (definition: Partial<HookDefinition>) =>
    compileHook("x", { command: "x", kind: "unsigned", ...definition });

  test("come from the body by JSON pointer, from headers, or are fixed, and what is not there is left out", () => {
    const hook = hookWith({
      args: {
        commit: { from: "/after" },
        changed: { from: "/commits/0/modified/0" },
        event: { from: "X-GitHub-Event" },
        target: "production",
        nothing: { from: "/base_ref" },
        missing: { from: "/commits/1/id" },
        inherited: { from: "/constructor" },
        length: { from: "/commits/length" },
      },
    });
    expect(argumentsOf(hook, deliveryOf(githubPush), defaultLimits)).toEqual({
      commit: "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c",
      changed: "build.sh",
      event: "push",
      target: "production",
    });
  });

  test("of a form with the JSON in it are the same", () => {
    const hook = hookWith({ args: { ref: { from: "/ref" } } });
    const form = { ...githubPush, body: `payload=${encodeURIComponent(githubPush.body)}` };
    const changed = { "content-type": "application/x-www-form-urlencoded" };
    expect(argumentsOf(hook, deliveryOf(form, changed), defaultLimits)).toEqual({ ref: "refs/heads/main" });
  });

  // Only the body is signed, so an attacker who has heard a delivery may send it again with other headers.
  test("of signed JSON are the same, whatever type is said of it", () => {
    const hook = compileHook("x", { kind: "unsigned", command: "x", args: { ref: { from: "/ref" } } });
    const types = fc.constantFrom(
      "application/x-www-form-urlencoded",
      "application/x-www-form-urlencoded; charset=utf-8",
      "multipart/form-data; boundary=x",
      "text/plain",
      "",
    );
    const evil = 'payload={"ref":"evil"}';
    const texts = fc.oneof(
      fc.string(),
      fc.constantFrom(evil, `&${evil}&`, `=&${encodeURIComponent(evil)}`, `&${evil}`),
    );
    fc.assert(
      fc.property(texts, texts, types, (ref, more, type) => {
        for (const body of [
          { ref, more },
          { more, ref },
          { [more]: 1, ref },
        ].map((value) => JSON.stringify(value))) {
          const { ref: signed } = JSON.parse(body) as { ref: string };
          const delivery = deliveryOf({ secret: "", headers: {}, body }, { "content-type": type });
          expect(argumentsOf(hook, delivery, defaultLimits)).toEqual({ ref: signed });
        }
      }),
    );
  });

  test("are none where the filter does not fit, and a ping of GitHub runs nothing", () => {
    const run = (when: Record<string, unknown>, changed = {}): unknown =>
      argumentsOf(hookWith({ when }), deliveryOf(githubPush, changed), defaultLimits);
    expect(run({ "/ref": "refs/heads/main", "X-GitHub-Event": ["push", "release"] })).toEqual({});
    expect(run({ "/ref": "refs/heads/other" })).toBeUndefined();
    expect(run({ "/created": false })).toEqual({});
    expect(run({ "/created": "false" })).toBeUndefined();
    const github = compileHook("x", { command: "x", kind: "github", secret: secretFile(githubPush.secret) });
    expect(argumentsOf(github, deliveryOf(githubPush, { "x-github-event": "ping" }), defaultLimits)).toBeUndefined();
  });
});
