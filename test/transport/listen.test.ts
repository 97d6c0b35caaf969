import { connect as connectNet, createServer } from "node:net";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { connect, Server } from "iscep";
import { createCertificate } from "#iscep/identity/certificates";
import { watchForLeaks } from "../support/leaks.js";
import { later } from "../support/cleanup.js";
import { originalTasks } from "../support/commands.js";
import { ownPort } from "../support/own-port.js";
import { rawPacket, Type } from "../support/raw-packets.js";
import { readLogs, startServer, testCertificate, tokens, writeTokens } from "../support/servers.js";
import { temporaryFolder } from "../support/temporary-folder.js";

watchForLeaks();

const free = { host: "127.0.0.1", port: 0 };

describe("a server on several places", () => {
  test("serves TLS and a unix socket at once, and tells both addresses", async () => {
    const folder = temporaryFolder();
    const unix = path.join(folder, "service.sock");
    writeTokens(path.join(folder, "tokens.json"), tokens);
    const certificate = await testCertificate();
    const server = new Server({
      commands: originalTasks,
      listen: [free, { unix }, free],
      tls: certificate,
      tokens: path.join(folder, "tokens.json"),
      logs: path.join(folder, "logs"),
    });
    later(() => server.close({ graceMs: 0 }));
    const { url, urls, port, pin } = await server.listen();
    expect(urls).toEqual([
      `iscep://127.0.0.1:${port}?pin=${certificate.pin}`,
      `iscep+unix://${unix}`,
      expect.stringMatching(/^iscep:\/\/127\.0\.0\.1:\d+\?pin=/),
    ]);
    expect({ url, pin }).toEqual({ url: urls[0], pin: certificate.pin });
    expect(new Set(urls).size).toBe(3);
    for (const address of urls) {
      const client = await connect(address, { token: tokens.alice });
      expect(await client.call("add", { a: 1, b: 2 })).toBe(3);
      await client.close();
      await expect(connect(address).then((stranger) => stranger.call("noargs", {}))).rejects.toMatchObject({
        code: "unauthorized",
      });
    }
    await server.close({ graceMs: 0 });
    for (const address of urls) await expect(connect(address)).rejects.toMatchObject({ code: "connect_failed" });
    expect(existsSync(unix)).toBe(false);
    const opened = readLogs(path.join(folder, "logs")).match(/"event":"open".*"tls":\w+/g) ?? [];
    expect(opened.map((line) => line.endsWith('"tls":true')).filter(Boolean).length).toBeGreaterThanOrEqual(4);
    expect(opened.map((line) => line.endsWith('"tls":false')).filter(Boolean).length).toBeGreaterThanOrEqual(2);
  });

  test("counts the connections of all places together", async () => {
    const unix = path.join(temporaryFolder(), "service.sock");
    const server = new Server({ listen: [free, { unix }], tls: false, commands: originalTasks, maxConnections: 1 });
    later(() => server.close({ graceMs: 0 }));
    const { urls } = await server.listen();
    const [tcp = "", socket = ""] = urls;
    const first = await connect(tcp, { protocol: 1 });
    later(() => first.close());
    await first.call("noargs", {});
    await expect(connect(socket, { protocol: 1 }).then((client) => client.call("noargs", {}))).rejects.toMatchObject({
      code: "busy",
    });
  });

  test("takes a new certificate on all of them", async () => {
    const folder = temporaryFolder();
    const files = { cert: path.join(folder, "cert.pem"), key: path.join(folder, "key.pem") };
    const use = ({ certPem, keyPem }: { certPem: string; keyPem: string }): void => {
      writeFileSync(files.cert, certPem);
      writeFileSync(files.key, keyPem);
    };
    use(await createCertificate());
    const server = new Server({ listen: [free, free], tls: files, commands: originalTasks });
    later(() => server.close({ graceMs: 0 }));
    const { urls } = await server.listen();
    const renewed = await createCertificate();
    use(renewed);
    await server.reload();
    for (const address of urls) {
      const client = await connect(address.replace(/\?.*/, ""), { pin: renewed.pin });
      expect(await client.call("add", { a: 1, b: 1 })).toBe(2);
      await client.close();
    }
  });

  test("holds none when one cannot be had, and may try again", async () => {
    const unix = path.join(temporaryFolder(), "service.sock");
    const port = await ownPort();
    const other = createServer().listen(port, "127.0.0.1");
    await once(other, "listening");
    const server = new Server({ listen: [{ unix }, { host: "127.0.0.1", port }], tls: false, commands: originalTasks });
    later(() => server.close({ graceMs: 0 }));
    await expect(server.listen()).rejects.toMatchObject({ code: "listen_failed" });
    expect(existsSync(unix)).toBe(false);
    other.close();
    await once(other, "close");
    expect((await server.listen()).urls).toEqual([`iscep+unix://${unix}`, `iscep+tcp://127.0.0.1:${port}`]);
  });
});

describe("each place has to be safe", () => {
  const open = { host: "0.0.0.0", port: 0 };

  test.each<[string, ConstructorParameters<typeof Server>[0], RegExp]>([
    ["cleartext beyond this machine", { listen: [free, open], tls: false, tokens: false }, /cleartext on 0\.0\.0\.0/],
    ["no tokens beyond this machine", { listen: [{ unix: "s" }, open] }, /without tokens .* 0\.0\.0\.0/],

    ["listen and a port", { listen: [free], port: 1 }, /either `listen`, or/],
    ["listen and a socket", { listen: [free], unix: "s" }, /either `listen`, or/],
    ["TLS for unix sockets alone", { listen: [{ unix: "a" }, { unix: "b" }], tls: true }, /carries no TLS/],
    ["a port that is none", { listen: [free, { host: "127.0.0.1", port: 70_000 }] }, /port must be/],
  ])("%s is refused", (_, options, sentence) => {
    expect(() => new Server(options)).toThrow(sentence);
  });
});

test("a peer that leaves in the TLS handshake is noticed at once, and one that half-closes behind it is answered", async () => {
  const server = await startServer({ tls: true, limits: { tlsHandshakeTimeoutMs: 600_000 } });
  const socket = connectNet(server.port ?? 0, "127.0.0.1");
  later(() => socket.destroy());
  await once(socket, "connect");
  socket.resume();
  socket.end();
  // The server closes its side, long before the handshake is given up.
  await once(socket, "close");
  const peer = await server.raw();
  peer.socket.end(rawPacket(Type.echo, { auth_token: tokens.alice, response: { echo: 1 } }));
  expect((await peer.answer()).type).toBe(Type.echo);
});
