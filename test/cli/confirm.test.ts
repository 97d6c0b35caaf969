/** A command with `confirm` runs only after a person, or --yes, has said so. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { declareArguments, defineCommand, Server } from "iscep";
import { iscep, type Ended } from "../support/iscep.js";
import { hasTerminals, startOnTerminal, type OnTerminal } from "../support/on-terminal.js";
import { temporaryFolder } from "../support/temporary-folder.js";

let server: Server;
let url: string;
let dropped = 0;
const folder = temporaryFolder();

beforeAll(async () => {
  server = new Server({
    port: 0,
    tls: false,
    commands: [
      defineCommand({
        name: "drop",
        confirm: "All worlds are removed.",
        args: declareArguments({ yes: { type: "boolean", default: false } }),
        run: () => ++dropped,
      }),
      defineCommand({ name: "plain", description: "Drop nothing", confirm: true, run: () => ++dropped }),
    ],
  });
  ({ url } = await server.listen());
});

beforeEach(() => void (dropped = 0));
afterAll(() => server.close({ graceMs: 0 }));

const call = (...words: string[]): Promise<Ended> =>
  iscep(["call", ...words], { folder, environment: { ISCEP_URL: url } });

describe("without a terminal", () => {
  test.each<[string, string[]]>([
    ["a call without arguments", ["plain"]],
    ["all arguments as JSON", ["--args", "{}", "drop"]],
    ["a detached run", ["--detach", "drop"]],
    ["version 1", ["--protocol", "1", "plain"]],
    ["an argument named yes, which belongs to the command", ["drop", "--yes"]],
  ])("it is refused, and says what to do: %s", async (_, words) => {
    const { stderr, code } = await call(...words);
    expect(stderr).toMatch(
      /wants to be confirmed, and there is no terminal to ask on\n.*give --yes: iscep call --yes /,
    );
    expect(code).toBe(64);
    expect(dropped).toBe(0);
  });

  test("the refusal has the author's words, or the description", async () => {
    expect((await call("--args", "{}", "drop")).stderr).toContain("hint: All worlds are removed. If this is meant");
    expect((await call("plain")).stderr).toContain('hint: This runs "plain": Drop nothing. If this is meant');
  });

  test("--yes answers, in front of the command and behind it", async () => {
    expect(await call("--yes", "drop", "--yes")).toMatchObject({ code: 0, stdout: "1\n" });
    expect(await call("plain", "--yes")).toMatchObject({ code: 0, stdout: "2\n" });
    expect(await call("--yes", "--args", "{}", "drop")).toMatchObject({ code: 0, stdout: "3\n" });
  });
});

test("the help of the command says so", async () => {
  expect((await call("drop", "--help")).stdout).toContain(
    "iscep asks before it runs: All worlds are removed. --yes answers.",
  );
});

describe.skipIf(!hasTerminals)("on a terminal", () => {
  const onTerminal = (): OnTerminal => startOnTerminal(["call", "drop"], { folder, environment: { ISCEP_URL: url } });

  test.each(["y\r", "YES\r"])("%j runs it", async (answer) => {
    const terminal = onTerminal();
    await terminal.until("All worlds are removed. Go on? [y/N] ");
    terminal.type(answer);
    expect((await terminal.ended).code).toBe(0);
    expect(dropped).toBe(1);
  });

  test.each(["\r", "n\r", "yesterday\r", "\u0003", "\u0004"])("%j does not", async (answer) => {
    const terminal = onTerminal();
    await terminal.until("[y/N] ");
    terminal.type(answer);
    expect((await terminal.ended).code).toBe(130);
    expect(dropped).toBe(0);
  });
});
