import { createServer, type AddressInfo } from "node:net";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { connect, isIscepError } from "iscep";
import { ended, firstLine, iscep, serve } from "../support/iscep.js";
import { serveProcess, startProcess } from "../support/iscep-process.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const typed = fileURLToPath(new URL("programs/typed.ts", import.meta.url));
const stray = fileURLToPath(new URL("programs/stray.mjs", import.meta.url));
const commands = fileURLToPath(new URL("programs/commands.mjs", import.meta.url));

async function greetings(url: string, options: Parameters<typeof connect>[1] = {}): Promise<unknown> {
  await using client = await connect(url, options);
  return await client.call("greet", { message: "hi" });
}

describe("iscep serve", () => {
  test("tells its address in one line, with the pin of a key that it made and keeps", async () => {
    const folder = temporaryFolder();
    const first = await serve([commands, "--port", "0"], { folder });
    expect(first.line).toMatch(/^listening on iscep:\/\/127\.0\.0\.1:\d+\?pin=sha256:[\w-]{43}$/);
    expect(await greetings(first.url)).toBe("hi");
    expect(await first.stop()).toMatchObject({ code: 0, stdout: `${first.line}\n`, stderr: "" });
    const second = await serve([commands, "--port", "0", "--json"], { folder });
    expect(JSON.parse(second.line)).toEqual({ event: "listening", url: second.url });
    expect(new URL(second.url).search).toBe(new URL(first.url).search);
    expect((await second.stop()).code).toBe(0);
  });

  test("on a unix socket, and in cleartext on this machine", async () => {
    const folder = temporaryFolder();
    const unix = await serve([commands, "--unix", "service.sock"], { folder });
    expect(unix.url).toMatch(/^iscep\+unix:\/\/\/.*service\.sock$/);
    expect(await greetings(unix.url)).toBe("hi");
    const plain = await serve([commands, "--no-tls", "--port", "0"], { folder });
    expect(plain.url).toMatch(/^iscep\+tcp:\/\/127\.0\.0\.1:\d+$/);
    expect(await greetings(plain.url)).toBe("hi");
    await Promise.all([unix.stop(), plain.stop()]);
  });

  test("on several places at once, with a line for each; an option takes one place instead", async () => {
    const folder = temporaryFolder();
    await writeFile(
      join(folder, "iscep.yaml"),
      "listen: [0, unix:service.sock]\nlimits: { max_connections: 2 }\nstate: kept\ncommands: { hello: { run: [echo, hello] } }\n",
    );
    const serving = await serve(["--json"], { folder });
    const socket = `iscep+unix://${join(folder, "service.sock")}`;
    const { url } = serving;
    await using overTcp = await connect(url);
    await using overSocket = await connect(socket);
    for (const client of [overTcp, overSocket]) expect(await client.call("hello")).toMatchObject({ stdout: "hello\n" });
    await expect(connect(socket).then((third) => third.call("hello"))).rejects.toMatchObject({ code: "busy" });
    const lines = (await serving.stop()).stdout.split("\n").filter(Boolean);
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { event: "listening", url },
      { event: "listening", url: socket },
    ]);
    expect(await readFile(join(folder, "kept", "server-cert.pem"), "utf8")).toContain("BEGIN CERTIFICATE");
    const alone = await serve(["--port", "0", "--no-tls"], { folder });
    expect((await alone.stop()).stdout).toMatch(/^listening on iscep\+tcp:\S+\n$/);
  });

  test("with tokens, a certificate of one's own, and logs; --quiet says nothing on standard error", async () => {
    const folder = temporaryFolder();
    const token = (await iscep(["tokens", "add", "tester"], { folder })).stdout.trim();
    const pin = (await iscep(["cert"], { folder })).stdout.trim();
    const flags = [
      "--tokens-path",
      "tokens.json",
      "--tls-cert",
      "cert.pem",
      "--tls-key",
      "key.pem",
      "--logs",
      "logs",
      "--quiet",
    ];
    const serving = await serve([commands, "--port", "0", ...flags], { folder });
    expect(serving.url).toContain(`?pin=${pin}`);
    await expect(greetings(serving.url)).rejects.toMatchObject({ code: "unauthorized" });
    expect(await greetings(serving.url, { token })).toBe("hi");
    expect(await serving.stop()).toMatchObject({ code: 0, stderr: "" });
    const logged = await readFile(join(folder, "logs", "commands.log"), "utf8");
    expect(logged).toContain('"greet"');
    expect(logged).not.toContain(token.slice(18));
  });

  test("--debug shows what happens, without it only what goes wrong", async () => {
    const folder = temporaryFolder();
    const talking = await serve([commands, "--port", "0", "--debug"], { folder });
    const silent = await serve([commands, "--port", "0"], { folder });
    for (const { url } of [talking, silent]) {
      await using client = await connect(url);
      await client.call("greet", { message: "hi" });
      await expect(client.call("crash", {})).rejects.toMatchObject({ code: "failed" });
    }
    const debug = (await talking.stop()).stderr;
    expect(debug).toMatch(/access/);
    expect(debug).toMatch(/greet/);
    expect(debug).toMatch(/a secret reason/);
    const normal = (await silent.stop()).stderr;
    expect(normal).toMatch(/a secret reason/);
    expect(normal).not.toMatch(/greet/);
  });

  test("takes ./iscep.yaml by itself, whose settings the options override", async () => {
    const folder = temporaryFolder();
    await writeFile(
      join(folder, "iscep.yaml"),
      "listen: 127.0.0.1:0\ncommands:\n  hello:\n    run: [/bin/echo, hello]\n",
    );
    const tls = await serve([], { folder });
    const plain = await serve(["--no-tls"], { folder });
    expect(plain.url).toMatch(/^iscep\+tcp:/);
    await using client = await connect(plain.url);
    expect(await client.call("hello")).toMatchObject({ exitCode: 0, stdout: "hello\n" });
    expect((await tls.stop()).code).toBe(0);
    expect((await plain.stop()).code).toBe(0);
  });

  test("tells pattern, zone and next time of what is scheduled", async () => {
    const folder = temporaryFolder();
    await writeFile(
      join(folder, "iscep.yaml"),
      'listen: 127.0.0.1:0\ncommands:\n  nightly: { run: [date], schedule: { cron: "0 3 1 1 *", time_zone: UTC } }\n',
    );
    const server = await serve([], { folder });
    const { stderr } = await server.stop();
    expect(stderr).toMatch(/nightly is scheduled: 0 3 1 1 \* \(UTC\), next at \d{4}-01-01T03:00Z/);
  });

  test("takes the file and the log level that the environment names", async () => {
    const folder = temporaryFolder();
    await writeFile(join(folder, "other.yaml"), "listen: 127.0.0.1:0\ncommands:\n  hello: { run: [echo, hello] }\n");
    const environment = { ISCEP_CONFIG: "other.yaml", ISCEP_LOG_LEVEL: "debug" };
    const serving = await serve([], { folder, environment });
    await using client = await connect(serving.url);
    await client.call("hello");
    expect((await serving.stop()).stderr).toMatch(/command .* hello/);
    const wrong = await iscep(["serve"], { folder, environment: { ...environment, ISCEP_LOG_LEVEL: "loud" } });
    expect(wrong).toMatchObject({ code: 64, stderr: "iscep: ISCEP_LOG_LEVEL must be one of debug, normal, quiet\n" });
  });

  test("a module may be TypeScript", async () => {
    const serving = await serve([typed, "--port", "0"], { folder: temporaryFolder() });
    await using client = await connect(serving.url);
    expect(await client.call("double", { number: 21 })).toBe(42);
    expect((await serving.stop()).code).toBe(0);
  });

  test("several files give all their commands; a name that is there twice is refused", async () => {
    const folder = temporaryFolder();
    await writeFile(join(folder, "a.yaml"), "listen: 127.0.0.1:0\ncommands:\n  hello:\n    run: [/bin/echo, hello]\n");
    const serving = await serve(["a.yaml", commands], { folder });
    await using client = await connect(serving.url);
    expect((await client.list()).map(({ name }) => name)).toEqual(expect.arrayContaining(["greet", "hello"]));
    await serving.stop();
    const twice = await iscep(["serve", commands, commands], { folder });
    expect(twice.code).toBe(64);
    expect(twice.stderr).toMatch(/^iscep: there are two commands named/);
  });
});

describe("iscep serve ends", () => {
  test.each(["SIGTERM", "SIGINT"] as const)("with 0 on %s, after what runs has had its grace", async (signal) => {
    const folder = temporaryFolder();
    const serving = await serveProcess([commands, "--port", "0", "--no-tls"], { folder });
    await using client = await connect(serving.url);
    expect(await client.call("greet", { message: "hi" })).toBe("hi");
    serving.child.kill(signal);
    expect(await serving.ended).toMatchObject({ code: 0, signal: null, stderr: "" });
  });

  test.each([
    ["SIGTERM", 143],
    ["SIGINT", 130],
  ] as const)("at once on a second %s, with %i", async (signal, code) => {
    const folder = temporaryFolder();
    // Only a second signal ends it: what runs may go on for longer than this test.
    const words = [commands, "--port", "0", "--no-tls", "--debug", "--grace", "10m"];
    const serving = await serveProcess(words, { folder });
    // The client does not wait for the server to come back.
    await using client = await connect(serving.url, { limits: { reconnectTimeoutMs: 0 } });
    const lost = client.call("forever", {}).catch((error: unknown) => error);
    // The server has the call when it has answered nothing else on a connection that came later.
    await greetings(serving.url);
    serving.child.kill(signal);
    // It accepts no more: then it has seen the first signal.
    await expect
      .poll(() => greetings(serving.url).catch((error: unknown) => isIscepError(error) && error.code))
      .toBe("connect_failed");
    serving.child.kill(signal);
    expect((await serving.ended).code).toBe(code);
    await lost;
  });

  test("SIGHUP takes a new certificate, and keeps the old one when the new one is broken", async () => {
    const folder = temporaryFolder();
    const pins: string[] = [];
    for (const name of ["a", "b"]) {
      pins.push((await iscep(["cert", "--cert", `${name}.pem`, "--key", `${name}.key`], { folder })).stdout.trim());
    }
    const use = async (name: string): Promise<void> => {
      await rename(join(folder, `${name}.key`), join(folder, "key.pem"));
      await rename(join(folder, `${name}.pem`), join(folder, "cert.pem"));
    };
    await use("a");
    const serving = await serveProcess([commands, "--port", "0", "--tls-cert", "cert.pem", "--tls-key", "key.pem"], {
      folder,
    });
    expect(await greetings(serving.url)).toBe("hi");
    const address = serving.url.replace(/\?.*/, "");
    await use("b");
    serving.child.kill("SIGHUP");
    await expect.poll(() => greetings(address, { pin: pins[1] ?? "" }).catch(() => "not yet")).toBe("hi");
    const warned = new Promise((resolve) => serving.child.stderr.once("data", resolve));
    await writeFile(join(folder, "cert.pem"), "broken");
    serving.child.kill("SIGHUP");
    expect(String(await warned)).toMatch(/^iscep: warning: the key and certificate of before stay: /);
    expect(await greetings(address, { pin: pins[1] ?? "" })).toBe("hi");
    expect((await serving.stop()).code).toBe(0);
  });

  test("SIGHUP takes the commands of a changed iscep.yaml, and keeps the old ones when it is broken", async () => {
    const folder = temporaryFolder();
    const file = join(folder, "iscep.yaml");
    // By a rename, so that no reading that is under way finds half of it.
    const write = async (text: string): Promise<void> => {
      await writeFile(`${file}.new`, `listen: 127.0.0.1:0\ntls: false\n${text}`);
      await rename(`${file}.new`, file);
    };
    await write("commands:\n  one: { run: [echo, one] }\n  two: { run: [echo, two] }\n");
    const serving = await serve([], { folder });
    await using client = await connect(serving.url);
    const names = async (): Promise<string[]> => (await client.list()).map(({ name }) => name).sort();
    expect(await names()).toEqual(["one", "two"]);
    await write("commands:\n  two: { run: [echo, changed] }\n  three: { run: [echo, three] }\n");
    serving.child.kill("SIGHUP");
    await expect.poll(names).toEqual(["three", "two"]);
    expect(await client.call("two")).toMatchObject({ stdout: "changed\n" });
    const warned = new Promise((resolve) => serving.child.stderr.once("data", resolve));
    await write("commands: nonsense\n");
    serving.child.kill("SIGHUP");
    expect(String(await warned)).toMatch(/^iscep: warning: the commands of before stay: .*iscep\.yaml:3/);
    expect(await names()).toEqual(["three", "two"]);
    expect((await serving.stop()).code).toBe(0);
  });

  test("in good order, with 70, when a command's exception is caught by nobody; not when a rejection is", async () => {
    const folder = temporaryFolder();
    const server = await serveProcess([stray, "--no-tls", "--port", "0", "--logs", "logs"], { folder });
    const client = await connect(server.url);
    expect(await client.call("forget")).toBe("done");
    expect(await client.call("forget")).toBe("done");
    expect(await client.call("explode")).toBe("done");
    const result = await server.ended;
    expect(result.code).toBe(70);
    expect(result.stderr).toContain("nobody catches this");
    const log = await readFile(join(folder, "logs", "error.log"), "utf8");
    expect(log.match(/stray_rejection/g)).toHaveLength(2);
    expect(log.match(/uncaught_exception/g)).toHaveLength(1);
    await client.close();
  });

  test("a reader that closes standard output does not end it", async () => {
    const folder = temporaryFolder();
    const child = startProcess(["serve", commands, "--port", "0", "--no-tls"], { folder });
    const end = ended(child);
    const url = (await firstLine(child)).replace("listening on ", "");
    child.stdout.destroy();
    expect(await greetings(url)).toBe("hi");
    child.kill("SIGTERM");
    expect((await end).code).toBe(0);
  });
});

describe("iscep serve does not start", () => {
  test("69 where something listens already", async () => {
    const folder = temporaryFolder();
    const other = createServer().listen(0, "127.0.0.1");
    onTestFinished(() => void other.close());
    await new Promise((resolve) => other.once("listening", resolve));
    const { port } = other.address() as AddressInfo;
    const { code, stdout, stderr } = await iscep(["serve", commands, "--port", String(port)], { folder });
    expect({ code, stdout }).toEqual({ code: 69, stdout: "" });
    expect(stderr).toContain(String(port));
    expect(stderr).toContain("choose another with --port");
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  test.each<[string, string[], string]>([
    ["without a file", [], "iscep init"],
    ["with a file that is not there", ["missing.yaml"], "missing.yaml"],
    ["with a module that is not there", ["missing.mjs"], "missing.mjs"],
    ["with a file of another kind", ["notes.txt"], "notes.txt"],
    ["with a module that throws", ["broken.mjs"], "broken.mjs"],
    ["with a module without commands", ["empty.mjs"], "empty.mjs"],
    ["without its tokens file", [commands, "--tokens-path", "missing.json"], "missing.json"],
    ["without its certificate", [commands, "--tls-cert", "c.pem", "--tls-key", "k.pem"], "c.pem"],
    ["with half a certificate", [commands, "--tls-cert", "c.pem"], "belong together"],
    ["with a certificate and --no-tls", [commands, "--no-tls", "--tls-cert", "c", "--tls-key", "k"], "either --no-tls"],
    ["with --unix and --port", [commands, "--unix", "s", "--port", "1"], "either --unix"],
    ["with tokens and --no-auth", [commands, "--no-auth", "--tokens-path", "t"], "either --no-auth"],
    ["with --debug and --quiet", [commands, "--debug", "--quiet"], "either --debug"],
    [
      "in cleartext for everybody",
      [commands, "--host", "0.0.0.0", "--port", "0", "--no-tls", "--no-auth"],
      "--allow-cleartext",
    ],
    ["for everybody without tokens", [commands, "--host", "0.0.0.0", "--port", "0"], "--no-auth"],
    ["on a port that is none", [commands, "--port", "70000"], "whole number from 0 to 65535"],
    ["with an unknown option", [commands, "--prot", "1"], "did you mean --port?"],
  ])("64 %s", async (_, words, sentence) => {
    const folder = temporaryFolder();
    await writeFile(join(folder, "notes.txt"), "notes");
    await writeFile(join(folder, "broken.mjs"), "throw new Error('broken inside');");
    await writeFile(join(folder, "empty.mjs"), "export const nothing = 1;");
    const { code, stdout, stderr } = await iscep(["serve", ...words], { folder });
    expect({ code, stdout }).toEqual({ code: 64, stdout: "" });
    expect(stderr).toMatch(/^iscep: /);
    expect(stderr).toContain(sentence);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  test("beyond this machine with what was asked for, and a warning at each start", async () => {
    const folder = temporaryFolder();
    const flags = ["--host", "0.0.0.0", "--port", "0", "--no-tls", "--no-auth", "--allow-cleartext"];
    const serving = await serve([commands, ...flags], { folder });
    const { stderr } = await serving.stop();
    expect(stderr).toMatch(/^iscep: warning: without TLS, .*\niscep: warning: without tokens, /);
  });

  test("a folder in the place of a file is a sentence", async () => {
    const folder = temporaryFolder();
    await mkdir(join(folder, "iscep.yaml"));
    expect((await iscep(["serve"], { folder })).code).toBe(64);
  });
});
