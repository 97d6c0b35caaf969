/** Errors, tokens, trust and types of calls. */
import path from "node:path";
import { describe, expect, test } from "vitest";
import { connect } from "iscep";
import { errorTable } from "#iscep/errors";
import { formatAddress, parseAddress } from "#iscep/transport/address";
import { createCertificate } from "#iscep/identity/certificates";
import { watchForLeaks } from "../support/leaks.js";
import { later } from "../support/cleanup.js";
import { originalTasks } from "../support/commands.js";
import { rawPacket, Type } from "../support/raw-packets.js";
import { rawServer } from "../support/raw-peer.js";
import { canary, startServer, tokens } from "../support/servers.js";
import { ownPort } from "../support/own-port.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { errorOf } from "../support/error-of.js";
import { open } from "../support/client-open.js";

watchForLeaks();

describe("errors", () => {
  test("have a code, a sentence and, where there is one, a cause", async () => {
    const server = await startServer();
    const client = await server.client({ protocol: 1 });
    const refused = await rawServer(() => {}, await ownPort());
    await refused.close();
    const found = await Promise.all([
      errorOf(client.call("no_such", {})),
      errorOf(client.call("add", { a: 1 })),
      errorOf(client.call("fail", { message: "the inside" })),
      errorOf(client.call("noargs", {}, { token: "wrong" })),
      errorOf(client.call("any", { value: Number.NaN })),
      errorOf(client.call("any", { value: "x".repeat(100_000) })),
      errorOf(client.call("big", { n: 1_000_000 })),
      errorOf(connect(refused.url)),
    ]);
    expect(found.map(({ code }) => code)).toEqual([
      "command_not_found",
      "invalid_arguments",
      "failed",
      "unauthorized",
      "invalid_arguments",
      "too_large",
      "too_large",
      "connect_failed",
    ]);
    for (const error of found) {
      expect(error.message.length).toBeGreaterThan(20);
      expect(error.exitCode).toBe(errorTable[error.code].exitCode);
      expect(error.message).not.toContain("the inside");
      expect(JSON.stringify(error) + String(error.stack)).not.toContain(canary);
    }
    expect(found.at(-1)?.cause).toMatchObject({ code: "ECONNREFUSED" });
    expect(await client.echo("still good")).toBe("still good");
  });
});

describe("tokens", () => {
  test.each([1, 2] as const)("may be another for each call, or none (version %d)", async (protocol) => {
    const server = await startServer();
    const client = await server.client({ protocol });
    expect(await client.call("noargs", {})).toBe("ok");
    expect(await client.call("noargs", {}, { token: tokens.bob })).toBe("ok");
    for (const work of [
      client.call("noargs", {}, { token: null }),
      client.echo(1, { token: null }),
      client.list({ token: null }),
    ]) {
      expect(await errorOf(work)).toMatchObject({ code: "unauthorized" });
    }
    expect(await client.call("noargs", {})).toBe("ok");
    await client.close();
    const logged = await server.logged();
    expect(logged).toContain('"owner":"alice"');
    expect(logged).toContain('"owner":"bob"');
  });

  test("come from the address as well, and an option goes before it", async () => {
    const server = await startServer();
    const withToken = (token: string): string => formatAddress({ ...parseAddress(server.url), owner: "alice", token });
    expect(await (await open(withToken(tokens.alice), { token: undefined as never })).call("noargs", {})).toBe("ok");
    expect(await (await open(withToken("wrong"))).call("noargs", {})).toBe("ok");
  });
});

describe("whom to talk to", () => {
  test("is never decided for cleartext beyond this machine, and not a byte is sent", async () => {
    for (const url of ["iscep+tcp://192.0.2.1:8989", "iscep+tcp://example.com", "iscep+tcp://alice:secret@10.0.0.1"]) {
      const error = await errorOf(connect(url, { limits: { connectTimeoutMs: 50 } }));
      expect(error).toMatchObject({ code: "usage", message: expect.stringContaining("--allow-cleartext") });
      expect(error.message).not.toContain("secret");
    }
  });

  test("is checked before the token is sent", async () => {
    const server = await startServer({ tls: true });
    const { pin } = await createCertificate();
    const wrong = server.url.replace(/pin=.*/, `pin=${pin}`);
    expect(await errorOf(connect(wrong, { token: tokens.alice }))).toMatchObject({ code: "not_trusted" });
    const none = server.url.replace(/\?.*/, "");
    expect(await errorOf(connect(none, { token: tokens.alice }))).toMatchObject({ code: "not_trusted" });
    const missing = path.join(temporaryFolder(), "ca.pem");
    expect(await errorOf(connect(none, { ca: missing }))).toMatchObject({ code: "configuration" });
    expect(await errorOf(connect((await startServer()).url, { pin }))).toMatchObject({ code: "usage" });
  });

  test("is an address that makes sense, or an error that shows no token", async () => {
    for (const url of [
      "http://x",
      "iscep://",
      "iscep://h:0",
      "iscep://a:secret@h/path",
      "iscep+unix://a:secret@",
      "secret",
    ]) {
      const error = await errorOf(connect(url));
      expect(error.code, url).toBe("usage");
      expect(error.message).not.toContain("secret");
    }
  });
});

describe("typed calls", () => {
  test("know names, arguments and results", async () => {
    const server = await startServer();
    const client = await connect<typeof originalTasks>(server.url, { token: tokens.alice });
    later(() => client.close());
    const sum: number = await client.call("add", { a: 1, b: 2 });
    const text: string = await client.call("echo_task", { message: "typed" });
    expect([sum, text]).toEqual([3, "echo typed"]);
    // @ts-expect-error a name that is no command's
    await errorOf(client.call("no_such", {}));
    // @ts-expect-error an argument of another type
    await errorOf(client.call("add", { a: "1", b: 2 }));
    // @ts-expect-error an argument that is missing
    await errorOf(client.call("add", { a: 1 }));
    const untyped = await connect(server.url, { token: tokens.alice });
    later(() => untyped.close());
    expect(await untyped.call("noargs", {})).toBe("ok");
  });

  test("list what is there, with schemas, from ours and from an original server", async () => {
    const client = await (await startServer()).client();
    const listed = await client.list();
    expect(listed.map(({ name }) => name)).toEqual(originalTasks.map(({ name }) => name).toSorted());
    expect(listed.find(({ name }) => name === "add")).toMatchObject({
      kind: "function",
      description: "Adds two whole numbers",
      args: {
        type: "object",
        properties: { a: { type: "integer" }, b: { type: "integer" } },
        additionalProperties: false,
      },
    });
    const original = await rawServer(async (peer) => {
      for (let packet = await peer.next(); packet !== undefined; packet = await peer.next()) {
        const list = packet.type === Type.discover;
        peer.send(
          list
            ? rawPacket(Type.discover, { response: { add: { a: "int", b: "_empty" }, noargs: {} } })
            : rawPacket(Type.error, { error: "command not found" }),
        );
      }
    });
    expect((await (await open(original.url)).list()).map(({ name, args }) => ({ name, args }))).toMatchObject([
      { name: "add", args: { properties: { a: { type: "integer" }, b: {} } } },
      { name: "noargs" },
    ]);
  });
});
