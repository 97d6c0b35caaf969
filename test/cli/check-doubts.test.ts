import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { slotsWithoutArgument } from "#iscep/commands/script/template";
import { iscep, serve, type Ended } from "../support/iscep.js";
import { temporaryFolder } from "../support/temporary-folder.js";

async function checked(files: Readonly<Record<string, string>>): Promise<Ended & { readonly lines: string[] }> {
  const folder = temporaryFolder();
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 });
  const ended = await iscep(["check", ...Object.keys(files)], { folder });
  return { ...ended, lines: ended.stdout.trimEnd().split("\n") };
}

describe("iscep check", () => {
  test("doubts elements that look like arguments and name none", async () => {
    const { code, stdout } = await checked({
      "iscep.yaml": [
        "commands:",
        "  say:",
        '    run: [echo, "{wrold}", "--to={nobody}", "{world}", "{}", "{print $1}", "${HOME}", "{{world}}", "{a: 1}"]',
        "    args: { world: { type: string } }",
        "  plain: { run: [echo, hello] }",
        "",
      ].join("\n"),
    });
    expect(code).toBe(0);
    expect(stdout).toContain(
      'warning  commands: run of command "say" has "{wrold}", which names no argument and reaches the program as it is; did you mean "world"?',
    );
    expect(stdout).toContain('has "--to={nobody}", which names no argument');
    expect(stdout.match(/names no argument/g)).toHaveLength(2);
  });

  test("doubts nothing that has another form", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const found = slotsWithoutArgument([text], {});
        expect(found.length).toBe(/^(?:[^{}]*=)?\{[A-Za-z][\w-]*(?::(?:file|fd))?\}$/.test(text) ? 1 : 0);
      }),
    );
  });

  test("goes on after a file that cannot be read, and shows what else is wrong", async () => {
    const { code, stdout, lines } = await checked({
      "first.yaml": "commands: { say: { rnu: [echo] } }\n",
      "second.yaml": "tokens: missing.json\nlogs: second.yaml/logs\ncommands: { say: { run: [echo, '{typo}'] } }\n",
      "third.yaml": "comands: {}\n",
    });
    expect(code).toBe(64);
    expect(lines.filter((line) => line.startsWith("wrong")).map((line) => line.split(":", 1)[0])).toEqual([
      "wrong    file",
      "wrong    file",
      "wrong    file",
      "wrong    tokens",
      "wrong    logs",
    ]);
    expect(stdout).toContain("names no argument");
    // Nobody knows where the server listens.
    expect(stdout).not.toContain("listen");
  });
});

test("over version 1, a result that was cut goes well only where the definition says that a part is enough", async () => {
  const folder = temporaryFolder();
  const command = (more: string): string => `{ run: [seq, "1", "99999"], max_output: 1KiB${more} }`;
  writeFileSync(
    join(folder, "iscep.yaml"),
    `listen: unix:s.sock\ncommands:\n  part: ${command(", when_output_is_full: truncate")}\n  long: { run: [seq, "1", "99999"] }\n`,
  );
  const { url, stop } = await serve(["iscep.yaml"], { folder });
  const call = (name: string): Promise<Ended> =>
    iscep(["call", "--protocol", "1", name], { folder, environment: { ISCEP_URL: url } });
  expect(await call("part")).toMatchObject({ code: 0, stderr: expect.stringContaining("cut off") });
  expect(await call("long")).toMatchObject({ code: 65 });
  await stop();
});
