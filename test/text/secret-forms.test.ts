/** What programs write of a secret is known again, however they quote it. */
import { spawnSync } from "node:child_process";
import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formsOf, maskForms } from "#iscep/text/secret-forms";

const units = [
  "a",
  "B",
  "7",
  " ",
  '"',
  "'",
  "`",
  "\\",
  "/",
  "&",
  "<",
  "%",
  "+",
  "=",
  "$",
  "!",
  "~",
  "-",
  "_",
  ".",
  "ü",
  "€",
  "😀",
];
const controls = ["\n", "\t", "\r", "\b", "\f", "\u001b", "\u007f"];

/** Each shows a text within others, and gives what stands before it, it, and what stands behind. */
const writers: Readonly<Record<string, (secret: string) => string>> = {
  "as it is": (secret) => secret,
  "JSON.stringify": (secret) => JSON.stringify(secret).slice(1, -1),
  "JSON within JSON's ASCII": (secret) =>
    JSON.stringify(secret)
      .slice(1, -1)
      .replaceAll(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`),
  "util.inspect": (secret) => inspect(secret, { maxStringLength: null, breakLength: Infinity }).slice(1, -1),
  encodeURIComponent,
  encodeURI,
  URLSearchParams: (secret) => new URLSearchParams({ x: secret }).toString().slice(2),
  "within single quotes of a shell": (secret) => secret.replaceAll("'", "'\\''"),
};

describe("each writer's form is one of the forms", () => {
  test.each(Object.entries(writers))("%s", (_, write) => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...units, ...controls), minLength: 4, maxLength: 30 }),
        (secret) => {
          expect(formsOf(secret)).toContain(write(secret));
        },
      ),
    );
  });

  const script = `
import json, sys, shlex, urllib.parse, base64, html
for line in sys.stdin:
    s = json.loads(line)
    print(json.dumps([repr(s)[1:-1], json.dumps(s)[1:-1], shlex.quote(s).strip("'") if "'" not in s else s, urllib.parse.quote(s), urllib.parse.quote(s, safe=""), urllib.parse.quote_plus(s), html.escape(s)]))
`;
  const hasPython = spawnSync("python3", ["--version"]).status === 0;
  test.skipIf(!hasPython)("Python's repr, json, shlex, urllib and html", () => {
    const secrets = fc.sample(
      fc.string({ unit: fc.constantFrom(...units, ...controls), minLength: 4, maxLength: 30 }),
      200,
    );
    const input = secrets.map((secret) => `${JSON.stringify(secret)}\n`).join("");
    const { stdout } = spawnSync("python3", ["-c", script], { input, encoding: "utf8" });
    const lines = stdout.trim().split("\n");
    expect(lines).toHaveLength(secrets.length);
    for (const [index, line] of lines.entries()) {
      const secret = secrets[index] ?? "";
      const missed = (JSON.parse(line) as string[]).filter((form) => maskForms(form, formsOf(secret)) !== "***");
      expect({ secret, missed }).toEqual({ secret, missed: [] });
    }
  });
});

test("in base64 with anything before and behind it nothing is left of it but what neighbours share", () => {
  const word = fc.string({ unit: fc.constantFrom(..."abcXYZ019"), minLength: 8, maxLength: 20 });
  fc.assert(
    fc.property(fc.string({ maxLength: 7 }), word, fc.string({ maxLength: 7 }), (before, secret, behind) => {
      const encoding = Buffer.from(before + secret + behind).toString("base64");
      const masked = maskForms(encoding, formsOf(secret));
      expect(masked).toContain("***");
      expect(masked.length).toBeLessThanOrEqual(encoding.length - Math.floor((secret.length * 4) / 3) + 3 + 4);
    }),
  );
});

test("what is no secret stays as it is", () => {
  expect(maskForms("post gres postgre", formsOf("postgres"))).toBe("post gres postgre");
  expect(maskForms("anything", formsOf(""))).toBe("anything");
});
