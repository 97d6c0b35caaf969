/** What is wrong in an iscep.yaml is told with its place. */
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadConfiguration } from "#iscep/configuration/configuration";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "iscep-configuration-"));
  await writeFile(path.join(folder, "backup.sh"), "#!/bin/sh\n");
  await chmod(path.join(folder, "backup.sh"), 0o700);
  await writeFile(path.join(folder, "plain.sh"), "#!/bin/sh\n", { mode: 0o600 });
  await writeFile(path.join(folder, "shared.sh"), "#!/bin/sh\n");
  await chmod(path.join(folder, "shared.sh"), 0o722);
  const library = JSON.stringify(import.meta.resolve("iscep"));
  await writeFile(
    path.join(folder, "commands.mjs"),
    `import { defineCommand } from ${library};\nexport const hello = defineCommand({ name: "hello", run: () => 1 });\n`,
  );
  await mkdir(path.join(folder, "worlds"));
});

afterAll(() => rm(folder, { recursive: true }));

let count = 0;

async function load(text: string) {
  const file = path.join(folder, `${count++}.yaml`);
  await writeFile(file, text);
  return { file, configuration: loadConfiguration(file) };
}

/** What is wrong, as `LINE:COLUMN: sentence`. */
async function complaint(text: string): Promise<string> {
  const { file, configuration } = await load(text);
  const error: unknown = await configuration.then(
    () => new Error("it was accepted"),
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ name: "IscepError", code: "configuration" });
  const { message } = error as Error;
  expect(message.startsWith(`${file}:`)).toBe(true);
  return message.slice(file.length + 1);
}

describe("what is wrong is told with line, column and what to do", () => {
  const command = (fields: string) => `commands:\n  one:\n    ${fields.split("\n").join("\n    ")}\n`;

  test.each<[string, string, RegExp]>([
    ["nothing at all", "", /^1:1: the file is empty/],
    ["a list", "- a", /^1:1: the file must be a map/],
    ["no YAML", "listen: [1", /^1:11: this is not YAML/],
    ["a tab", "commands:\n\tone: 1", /^2:1: this is not YAML/],
    ["an unknown tag", "listen: !!python/object x", /^1:9: this is not YAML/],
    ["a key twice", "threads: 1\nthreads: 2", /^2:1: this key stands twice/],
    ["a command twice", "commands:\n  a: { run: [date] }\n  a: { run: [date] }", /^3:3: this key stands twice/],
    ["an unknown key", "listen: a:1\nthreds: 1", /^2:1: the file has no key "threds"; did you mean "threads"\?/],
    ["an empty value", "listen:\nthreads: 1", /^1:1: `listen` has no value/],
    ["a number that is none", "threads: many", /^1:10: `threads` must be a whole number from 1 to 1024/],
    ["an address without a port", "listen: 127.0.0.1", /^1:9: `listen` must be "HOST:PORT"/],
    ["a port that is none", "listen: a:65536", /^1:9: `listen` must be "HOST:PORT"/],
    ["IPv6 without brackets", "listen: ::1:8989", /^1:9: `listen` must be .*"\[::1\]:8989"/],
    ["a wrong one of several addresses", "listen: [a:1, b]", /^1:15: item 2 of `listen` must be/],
    ["an address twice", "listen: [a:1, b:2, a:1]", /^1:20: item 3 of `listen` stands in the list before/],
    ["no address", "listen: []", /^1:9: `listen` is empty/],
    ["half of the TLS files", "tls: { cert: c.pem }", /^1:6: `tls` needs `key`: /],
    ["a key of another tool", "port: 8989", /^2?1:1: the file has no key "port"; did you mean "listen"\?/],
    [
      "a command in the words of another tool",
      command("cmd: date"),
      /^3:5: command "one" has no key "cmd"; did you mean "run"\?/m,
    ],
    ["a shell", command("shell: date"), /no key "shell"; there is no shell; .*run: \[sh, -c, "…"\]/],
    ["an environment", command("run: [date]\nenv: { A: b }"), /no key "env"; did you mean "environment"\?/],
    ["arguments", command("run: [date]\narguments: { a: {} }"), /no key "arguments"; did you mean "args"\?/],
    [
      "a type of another language",
      command('run: [date, "{b}"]\nargs:\n  b: { type: str }'),
      /there is no type "str"; did you mean "string"\?/,
    ],
    [
      "an argument that is said to be required",
      command('run: [date, "{b}"]\nargs:\n  b: { type: string, required: true }'),
      /no key "required"; an argument is required unless/,
    ],
    ["a map that takes itself over", "commands: &a\n  <<: *a", /^2:3: `commands` takes itself over by <</],
    ["a list in the list of maps", "commands:\n  <<: [[{}]]", /<< takes a map such as \*name, or a list of maps/],
    ["a text that is taken over", "commands:\n  <<: one", /<< takes a map such as \*name/],
    ["an unknown limit", "limits: { maxRuns: 1 }", /^1:11: `limits` has no key "maxRuns"; did you mean "max_runs"\?/],
    ["a limit in a unit of another kind", "limits: { idle_timeout_ms: 1MiB }", /^1:28: .* must be a whole number, or/],
    ["a limit that is too large", "limits: { max_packet_bytes: 1GiB }", /^1:29: .* must be from 1 to 67108864, and/],
    ["a limit of clients", "limits: { call_timeout_ms: 1s }", /^1:11: `limits` has no key "call_timeout_ms"/],
    ["a limit twice", "threads: 1\nlimits: { max_threads: 2 }", /^1:10: `threads` stands in `limits` too/],
    [
      "a module that is missing",
      "modules:\n  - commands.mjs\n  - nowhere.mjs",
      /^3:5: .*nowhere\.mjs: there is no such file/,
    ],
    ["no run", command("timeout: 1s"), /^2:3: command "one" needs `run`/],
    ["an empty run", command("run: []"), /^3:10: `run` must begin with the program/],
    ["a shell's line", command("run: date -u"), /^3:10: `run` must be a list/],
    [
      "an unknown field",
      command("run: [date]\ntimout: 1s"),
      /^4:5: command "one" has no key "timout"; did you mean "timeout"\?/,
    ],
    [
      "a field of a later version",
      command("run: [date]\nthreads: 2"),
      /^4:5: this version of iscep does not know `threads`/,
    ],
    [
      "a schedule that is none",
      command("run: [date]\nschedule: at three"),
      /^4:15: schedule of "one": "at three" is no cron pattern/,
    ],
    [
      "a schedule with an unknown word",
      command('run: [date]\nschedule: { cron: "0 3 * * *", zone: UTC }'),
      /^4:36: `schedule` has no key "zone"/,
    ],
    [
      "a time zone that there is not",
      command('run: [date]\nschedule: { cron: "0 3 * * *", time_zone: Mars/Olympus }'),
      /^4:15: schedule of "one": there is no time zone "Mars\/Olympus"/,
    ],
    [
      "a schedule without the argument that is needed",
      command('run: [date, "{w}"]\nargs: { w: { type: string } }\nschedule: "0 3 * * *"'),
      /^5:15: schedule of "one": it would be refused at each run: argument "w" is missing/,
    ],
    ["a concurrency that is no map", command("run: [date]\nconcurrency: 1"), /^4:18: `concurrency` must be a map/],
    [
      "a word of concurrency that there is not",
      command("run: [date]\nconcurrency: { limt: 1 }"),
      /^4:20: `concurrency` has no key "limt"; did you mean "limit"/,
    ],
    [
      "a concurrency without a limit",
      command('run: [date, "{w}"]\nargs: { w: { type: string } }\nconcurrency: { key: "{w}" }'),
      /^5:18: `concurrency` needs `limit`/,
    ],
    [
      "a key of an argument that there is not",
      command('run: [date, "{world}"]\nargs: { world: { type: string } }\nconcurrency: { limit: 1, key: "{wrld}" }'),
      /^5:18: concurrency of "one": key uses argument "wrld".*did you mean "world"/,
    ],
    [
      "a queue where there is none",
      command("run: [date]\nconcurrency: { limit: 1, when_full: reject, max_queued: 3 }"),
      /^4:18: concurrency of "one": max_queued has no meaning where when_full is reject/,
    ],
    [
      "a way that there is not",
      command("run: [date]\nconcurrency: { limit: 1, when_full: wait }"),
      /^4:41: `when_full` must be one of queue, reject, replace, join/,
    ],
    [
      "a timeout without a unit",
      command("run: [date]\ntimeout: 10"),
      /^4:14: `timeout` must be a number above 0 and a unit/,
    ],
    ["a timeout that no timer takes", command("run: [date]\ntimeout: 25d"), /^4:14: `timeout` can be 24d at most/],
    ["a program below ~", command("run: [~/backup.sh]"), /^3:11: ~ is not replaced in "~\/backup\.sh".*whole path/],
    ["a folder of another user", command("run: [date]\nfolder: ~backup/x"), /^4:13: ~ is not replaced/],
    ["a tokens file below ~", "tokens: ~/tokens.json\ncommands: {}", /^1:9: ~ is not replaced/],
    ["a key below ~", "tls: { cert: cert.pem, key: ~/key.pem }\ncommands: {}", /^1:29: ~ is not replaced/],
    ["a socket below ~", "listen: unix:~/socket\ncommands: {}", /^1:9: ~ is not replaced/],
    ["a program that is missing", command("run: [./nowhere.sh]"), /^3:11: .*nowhere\.sh/],
    ["a program that cannot be run", command("run: [./plain.sh]"), /^3:11: .*chmod \+x/],
    ["a program that others may change", command("run: [./shared.sh]"), /^3:11: .*chmod go-w/],
    ["a name that is not in PATH", command("run: [iscep-has-no-such-program]"), /^3:11: .*iscep-has-no-such-program/],
    ["a name that is reserved", "commands:\n  iscep.x: { run: [date] }", /^2:3: .*iscep\./],
    ["an argument in the middle", command('run: [date, "a{b}c"]\nargs: { b: { type: string } }'), /^3:17: /],
    [
      "a slip of the pen in run",
      command('run: [date, "{wrold}"]\nargs:\n  world: { type: string }'),
      /^5:7: argument "world" is declared, but run has "\{wrold\}"/,
    ],
    ["an argument that is not used", command("run: [date]\nargs:\n  b: { type: string }"), /^5:7: .*"b"/],
    [
      "an argument without a type",
      command('run: [date, "{b}"]\nargs:\n  b: { default: x }'),
      /^5:10: argument "b" needs a `type`/,
    ],
    [
      "a type that is none",
      command('run: [date, "{b}"]\nargs:\n  b: { type: sting }'),
      /^5:18: there is no type "sting"; did you mean "string"\?/,
    ],
    [
      "a key that belongs to another type",
      command('run: [date, "{b}"]\nargs:\n  b: { type: string, maxLength: 3 }'),
      /^5:26: argument "b" has no key "maxLength"; did you mean "max_length"\?/,
    ],
    [
      "a truth value of another YAML",
      command('run: [date, "{b}"]\nargs:\n  b: { type: string, optional: yes }'),
      /^5:36: `optional` must be true or false/,
    ],
    [
      "a description that is no text",
      command('run: [date, "{b}"]\nargs:\n  b: { type: string, description: [x] }'),
      /^5:39: `description` must be a text/,
    ],
    [
      "a pattern that is none",
      command('run: [date, "{b}"]\nargs:\n  b: { type: string, pattern: "a)|(b" }'),
      /^5:35: .*pattern/,
    ],
    [
      "a default that does not fit",
      command('run: [date, "{b}"]\nargs:\n  b: { type: integer, default: x }'),
      /^5:7: .*default/,
    ],
    [
      "bounds the wrong way round",
      command('run: [date, "{b}"]\nargs:\n  b: { type: string, min_length: 3, max_length: 2 }'),
      /^5:7: .*`min_length` is larger/,
    ],
    [
      "a secret in argv",
      command('run: [date, "{b}"]\nargs:\n  b: { type: secret }'),
      /^3:17: argument "b" is a secret.*"\{b:file\}"/,
    ],
    ["a secret that goes nowhere", command("run: [date]\nargs:\n  b: { type: secret }"), /^5:7: .*stdin: "\{b\}"/],
    ["a secret with a default", command("run: [date]\nargs:\n  b: { type: secret, default: x }"), /^5:26: .*"default"/],
    [
      "a path without a base",
      command('run: [date, "{b}"]\nargs:\n  b: { type: path }'),
      /^5:7: argument "b": needs `base`/,
    ],
    [
      "a presence that is none",
      command('run: [date, "{b}"]\nargs:\n  b: { type: path, base: worlds, presence: gone }'),
      /^5:48: .*existing, new, either/,
    ],
    ["no argument on standard input", command("run: [date]\nstdin: sql"), /^4:12: stdin must be true, .* or args/],
    ["braces without quotes", command("run: [date]\nstdin: {sql}"), /^4:12: .*write "\{sql\}" in quotes/],
    [
      "an unknown argument on standard input",
      command('run: [date]\nargs: { sql: { type: string } }\nstdin: "{sqk}"'),
      /^5:12: .*did you mean "sql"\?/,
    ],
    [
      "a variable of no argument",
      command('run: [date, "{b}"]\nargs: { b: { type: string } }\nargument_variables: [c]'),
      /^5:25: .*"c"/,
    ],
    ["variables that are no list", command("run: [date]\nargument_variables: b"), /^4:25: .*must be all, or a list/],
    [
      "choices from a command that is not there",
      command('run: [date, "{b}"]\nargs:\n  b: { type: enum, choices: { from: tow } }\n') + "  two: { run: [date] }",
      /^5:41: there is no command "tow" in this file or its modules; did you mean "two"\?/,
    ],
    [
      "choices of items from such a command",
      command('run: [date, "{b}"]\nargs:\n  b: { type: list, items: { type: string, choices: { from: none } } }'),
      /^5:64: there is no command "none"/,
    ],
    [
      "choices from a command that needs arguments",
      command('run: [date, "{b}"]\nargs:\n  b: { type: enum, choices: { from: one } }'),
      /^5:41: command "one" needs arguments/,
    ],
    [
      "code from the caller",
      command('run: [sh]\nargs: { b: { type: string } }\nstdin: "{b}"'),
      /^3:11: sh without a script/,
    ],
    ["a dangerous variable", command("run: [date]\nenvironment:\n  A: x\n  LD_PRELOAD: x"), /^6:7: .*LD_PRELOAD/],
    [
      "aliases that explode",
      `a: &a [${"x, ".repeat(20)}]\nb: &b [${"*a, ".repeat(20)}]`,
      /^1:1: the file has no key "a".*\n.*2:1: the file has no key "b"[^\n]*$/,
    ],
  ])("%s", async (_, text, sentence) => {
    expect(await complaint(text)).toMatch(sentence);
  });

  test("a file that is not there, and a folder", async () => {
    await expect(loadConfiguration(path.join(folder, "missing.yaml"))).rejects.toMatchObject({
      code: "configuration",
      message: expect.stringMatching(/missing\.yaml: there is no such file/),
    });
    await expect(loadConfiguration(folder)).rejects.toMatchObject({ code: "configuration" });
  });
});
