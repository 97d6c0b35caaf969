import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { connect, defineScript, Server, type Client, type RunHandle, type ScriptCommand } from "iscep";
import { onTerminal, terminalPrograms, usualShape } from "#iscep/commands/script/terminal";
import { anyCharacter } from "../support/any-character.js";
import { errorOf } from "../support/error-of.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const hasTerminals = spawnSync("script", ["--version"]).status === 0 && process.platform === "linux";

function bash(name: string, text: string, changes: { user?: string } = {}): ScriptCommand {
  return defineScript({ name, run: ["/bin/bash", "-c", text], terminal: true, ...changes });
}

/** Less than a test may take, so that what was seen instead is told. */
const patienceMs = 20_000;

/** What a person does: keys go in, and the screen is read. */
class Person implements AsyncIterable<Uint8Array> {
  screen = "";
  #keys: Uint8Array[] = [];
  #isGone = false;
  #wake: (() => void) | undefined;
  #seen: (() => void) | undefined;

  type(keys: string): void {
    this.#keys.push(Buffer.from(keys));
    this.#wake?.();
  }

  leave(): void {
    this.#isGone = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    for (;;) {
      const keys = this.#keys.shift();
      if (keys !== undefined) yield keys;
      else if (this.#isGone) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async watch(run: RunHandle): Promise<void> {
    for await (const { bytes } of run.output) {
      this.screen += Buffer.from(bytes).toString("latin1");
      this.#seen?.();
    }
  }

  /** Waits until this is on the screen, and forgets what was before. */
  async sees(text: string | RegExp): Promise<string> {
    for (;;) {
      const found = typeof text === "string" ? this.screen.indexOf(text) : this.screen.search(text);
      if (found >= 0) {
        const seen = this.screen;
        this.screen = "";
        return seen;
      }
      await new Promise<void>((resolve, reject) => {
        const late = (): void => reject(new Error(`not seen: ${String(text)}, but ${JSON.stringify(this.screen)}`));
        const timer = setTimeout(late, patienceMs);
        this.#seen = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}

async function clientOf(...commands: ScriptCommand[]): Promise<Client> {
  const server = new Server({
    commands,
    unix: join(temporaryFolder(), "s.sock"),
    limits: { callerGraceMs: 100, killGraceMs: 500 },
  });
  onTestFinished(() => server.close({ graceMs: 0 }));
  const client = await connect((await server.listen()).url);
  onTestFinished(() => client.close());
  return client;
}

function sit(client: Client, name: string, args = {}, terminal = { rows: 30, columns: 100, term: "xterm" }) {
  const person = new Person();
  const run = client.run(name, args, { stdin: person, terminal });
  const watched = person.watch(run);
  // A client that was closed under way has lost the rest.
  watched.catch(() => {});
  /** All is on the screen by then. */
  const outcome = async () => {
    await watched;
    return run.outcome;
  };
  return { person, run, outcome };
}

describe.skipIf(!hasTerminals)("a script with terminal: true", () => {
  test("has a terminal with the size and the TERM of its caller, and nothing of our own variables", async () => {
    const client = await clientOf(
      bash("look", "tty; stty size; echo $TERM; env | grep -c ISCEP_TERMINAL; echo ${SHELL-none}"),
    );
    const { person, outcome } = sit(client, "look");
    expect(await outcome()).toMatchObject({ status: "completed", exitCode: 0 });
    expect(person.screen.replaceAll("\r", "")).toMatch(/^\/dev\/pts\/\d+\n30 100\nxterm\n0\n(?:none|\/bin\/bash)\n$/);
  });

  test("has 24 lines of 80 characters and TERM=dumb for a caller without a terminal", async () => {
    const client = await clientOf(bash("look", "stty size; echo $TERM"));
    expect(await client.call("look")).toMatchObject({ stdout: "24 80\r\ndumb\r\n", exitCode: 0 });
  });

  test("shows prompts and what is typed, but no password", async () => {
    const client = await clientOf(
      bash("login", 'read -p "name? " name; read -s -p "password? " word; echo; echo "$name has ${#word}"'),
    );
    const { person, outcome } = sit(client, "login");
    await person.sees("name? ");
    person.type("joe\r");
    expect(await person.sees("password? ")).toContain("joe\r\n");
    person.type("tr0ub4dor\r");
    await outcome();
    expect(person.screen).toContain("joe has 9");
    expect(person.screen).not.toContain("tr0ub4dor");
  });

  test("gets Ctrl-C as a signal and Ctrl-D as the end of input", async () => {
    const client = await clientOf(
      bash(
        "keys",
        'trap \'echo interrupted\' INT; echo ready; cat; echo "cat ended with $?"; cat; echo "then with $?"',
      ),
    );
    const { person, outcome } = sit(client, "keys");
    await person.sees("ready");
    // Only cat gives a line back once more, so from here on it is cat that Ctrl-C ends.
    person.type("one\r");
    await person.sees(/one\r\none\r\n/);
    person.type("\u0003");
    await person.sees("cat ended with 130");
    person.type("line\r\u0004");
    await outcome();
    expect(person.screen).toMatch(/line\r\nline\r\nthen with 0/);
  });

  test("follows the size of the window while it goes on", async () => {
    // bash forgets a signal that comes while it still does what the one before asked for, so it looks by itself as well.
    const client = await clientOf(
      bash("sizes", "trap 'echo told' WINCH; echo ready; while ! read -t 0.1 x; do stty size; done"),
    );
    const { person, run } = sit(client, "sizes");
    await person.sees("ready");
    run.resize({ rows: 50, columns: 132 });
    // A size that stty is just printing is seen before the shell says that it was told of it.
    let seen = await person.sees("50 132");
    run.resize({ rows: 10, columns: 20 });
    seen += await person.sees("10 20");
    // A window that is dragged has hundreds of sizes, and each that is set costs a process.
    for (let rows = 1; rows <= 500; rows++) run.resize({ rows, columns: 40 });
    const between = await person.sees("500 40");
    expect(new Set(between.match(/\d+ 40/g)).size).toBeLessThan(20);
    expect(seen + between).toContain("told");
    person.type("\r");
    expect(await run.outcome).toMatchObject({ status: "completed" });
  });

  test("ends by its own exit code, and by that of a signal as a shell tells it", async () => {
    const client = await clientOf(bash("seven", "exit 7"), bash("killed", "kill -TERM $$"));
    expect(await client.run("seven").outcome).toMatchObject({ status: "failed", exitCode: 7 });
    expect(await client.run("killed").outcome).toMatchObject({ status: "failed", exitCode: 143 });
  });

  /** The processes whose environment has this. */
  function processesWith(variable: string): string[] {
    return readdirSync("/proc").filter((pid) => {
      try {
        return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(variable);
      } catch {
        return false;
      }
    });
  }

  test.each(["cancel", "leaving"])("ends with all that it started at a %s, whatever ignores signals", async (how) => {
    const client = await clientOf(
      bash("stay", "trap '' HUP INT TERM; setsid sleep 1000 & sleep 1000 & echo ready; wait; wait; sleep 1000"),
    );
    const { person, run } = sit(client, "stay");
    await person.sees("ready");
    const variable = `ISCEP_RUN=${await run.id}`;
    // One that begins another program at this moment shows no variables.
    await expect.poll(() => processesWith(variable).length).toBeGreaterThanOrEqual(3);
    if (how === "cancel") {
      run.cancel();
      expect(await run.outcome).toMatchObject({ status: "cancelled" });
    } else await client.close();
    await expect.poll(() => processesWith(variable)).toEqual([]);
  });

  test("runs an editor and a full-screen program", async (context) => {
    const missing = ["vi", "top"].filter((name) => spawnSync("which", [name]).status !== 0);
    if (missing.length > 0) context.skip(`not installed: ${missing.join(", ")}`);
    const file = join(temporaryFolder(), "text");
    const client = await clientOf(
      defineScript({ name: "edit", run: ["vi", file], terminal: true, environment: { HOME: "/nonexistent" } }),
      defineScript({ name: "watch", run: ["top", "-d", "60"], terminal: true }),
    );
    const editing = sit(client, "edit");
    await editing.person.sees("text");
    editing.person.type("ihello from afar\u001b:wq\r");
    expect(await editing.run.outcome).toMatchObject({ status: "completed", exitCode: 0 });
    expect(readFileSync(file, "utf8")).toBe("hello from afar\n");
    const watching = sit(client, "watch");
    await watching.person.sees("load average");
    watching.person.type("q");
    expect(await watching.run.outcome).toMatchObject({ status: "completed", exitCode: 0 });
  });
});

describe("the command for a terminal", () => {
  const programs = { script: "/usr/bin/script", stty: "/usr/bin/stty", shell: "/bin/sh" };

  test("is the same text for all words, which only variables hold", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: anyCharacter }), { minLength: 1, maxLength: 9 }), (argv) => {
        const made = onTerminal(programs, { program: "/bin/echo", argv, environment: {} }, usualShape);
        const other = onTerminal(
          programs,
          { program: "/bin/true", argv: argv.map(() => "x"), environment: {} },
          usualShape,
        );
        expect(made.argv).toEqual(other.argv);
        expect(argv.map((_, index) => made.environment[`ISCEP_TERMINAL_${index + 1}`])).toEqual(argv);
      }),
    );
  });

  test.skipIf(!hasTerminals)("gives the program each word byte for byte, whatever a shell makes of such text", () => {
    const hostile = [
      "$(touch /tmp/x)",
      "`id`",
      "'; exit 9; '",
      '"',
      "\\",
      "a\nb",
      "*",
      "~",
      "$HOME",
      "-e",
      "",
      "\u0081\u0088é中",
      "() { :; }",
    ];
    const words = fc.array(
      fc.oneof(
        fc.constantFrom(...hostile),
        fc.string({ unit: anyCharacter }).map((text) => text.replaceAll("\0", "")),
      ),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(words, (argv) => {
        // Its own command line, as the system has it. A process of Node takes longer to start than all else here.
        const code = "printf '<'; cat /proc/$$/cmdline | od -An -v -tx1; printf '>'";
        const made = onTerminal(
          terminalPrograms(),
          { program: "/bin/sh", argv: ["-c", code, "sh", ...argv], environment: { PATH: process.env["PATH"] ?? "" } },
          usualShape,
        );
        const { stdout } = spawnSync(made.program, made.argv, { env: made.environment, input: "", encoding: "latin1" });
        // The terminal may show the end of its input in between, as ^D.
        const printed = /<([^>]*)>/.exec(stdout)?.[1]?.replaceAll(/[^\da-f]/g, "") ?? "";
        const seen = Buffer.from(printed, "hex").toString("latin1").split("\0");
        expect(seen.slice(4, -1)).toEqual(argv.map((word) => Buffer.from(word).toString("latin1")));
      }),
      { numRuns: 25 },
    );
  });

  test("is refused for more words than it can have", async () => {
    const argv = Array.from({ length: 2_000 }, () => "x");
    expect(
      await errorOf(() => onTerminal(programs, { program: "/bin/echo", argv, environment: {} }, usualShape)),
    ).toMatchObject({
      code: "invalid_arguments",
    });
  });

  test.each([
    [{ output: "json" as const }, "line ends and colours of a terminal"],
    [{ stdin: "args" as const }, "reads what its caller types"],
  ])("is refused together with %j", async (option, reason) => {
    const refused = await errorOf(() => defineScript({ name: "x", run: ["/bin/cat"], terminal: true, ...option }));
    expect(refused.message).toContain(reason);
  });
});
