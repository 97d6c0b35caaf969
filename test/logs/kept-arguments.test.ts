import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { keepArguments } from "#iscep/logs/kept-arguments";
import { commandLine } from "#iscep/logs/lines";
import { defaultLimits } from "#iscep/limits/limits";
import { visibleText } from "#iscep/text/visible-text";
import { useSecrets } from "#iscep/logs/known-secrets";
import { secretValue } from "#iscep/model/secrets";
import { anyCharacter } from "../support/any-character.js";

const values = fc.dictionary(fc.string({ unit: anyCharacter }), fc.jsonValue(), { maxKeys: 20 });

describe("what is kept of arguments", () => {
  test("is each value as it was given or its name, within the bytes, whatever they are", () => {
    fc.assert(
      fc.property(values, fc.nat(400), (args, maxBytes) => {
        const { arguments: kept, argumentsOmitted: omitted = [] } = keepArguments({}, args, [], maxBytes);
        const given = JSON.parse(JSON.stringify(args)) as Record<string, unknown>;
        expect([...Object.keys(kept), ...omitted].sort()).toEqual(Object.keys(given).sort());
        for (const [name, value] of Object.entries(kept)) expect(value).toEqual(given[name]);
        const entries = Object.entries(kept).map(([name, value]) => name + JSON.stringify(value));
        expect(Buffer.byteLength(entries.join(""))).toBeLessThanOrEqual(maxBytes);
      }),
    );
  });

  test("tells nothing of secrets of other calls", () => {
    const release = useSecrets(["the-secret-of-another"]);
    const args = { guess: "is it the-secret-of-another ?" };
    expect(keepArguments({}, args, [], 4_096)).toEqual({ arguments: args });
    release();
  });

  test("is one harmless line of the log that means the same", () => {
    fc.assert(
      fc.property(values, (args) => {
        const kept = keepArguments({}, args, [], 1_000_000);
        const line = commandLine(
          {
            runId: "r",
            command: "c",
            owner: "o",
            tokenId: null,
            source: "unix",
            startedAtMs: 0,
            durationMs: 0,
            status: "completed",
            args,
            ...kept,
          },
          defaultLimits,
        );
        expect((JSON.parse(line) as { arguments: unknown }).arguments).toEqual(kept.arguments);
        expect(visibleText(line)).toBe(line);
      }),
    );
  });

  test("is no secret, no value in which a secret or a token stands, and nothing that JSON does not know", () => {
    const token = `isct_${"a".repeat(12)}_${"b".repeat(49)}`;
    const circle: Record<string, unknown> = {};
    circle["self"] = circle;
    const schema = { properties: { key: { default: "x", writeOnly: true }, level: { default: 3 } } };
    const args = { password: secretValue, copy: "with pass-word-1 in it", token, circle, method() {}, left: undefined };
    expect(keepArguments(schema, args, ["pass-word-1"], 4_096)).toEqual({
      arguments: { level: 3 },
      argumentsOmitted: ["password", "copy", "token", "circle", "method", "key"],
    });
  });
});
