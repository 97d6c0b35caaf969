/** A resumed TLS session goes on with what was checked in its first handshake, and with nothing else. */
import { writeFileSync } from "node:fs";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import { connect, defineCommand, Server, type ConnectOptions } from "iscep";
import { createCertificate } from "#iscep/identity/certificates";
import { trustOptions } from "#iscep/identity/trust";
import { addToken } from "#iscep/identity/tokens-writer";
import { resolveLimits } from "#iscep/limits/limits";
import { dial } from "#iscep/transport/dial";
import { authority } from "../support/authority.js";
import { later } from "../support/cleanup.js";
import { errorOf } from "../support/error-of.js";
import { watchForLeaks } from "../support/leaks.js";
import { temporaryFolder } from "../support/temporary-folder.js";

watchForLeaks();

const hello = defineCommand({ name: "hello", description: "Greets", run: () => "hello" });

interface Heard {
  readonly resumed: boolean[];
}

/** A server that tells of each connection whether it was resumed, at a port that may be given. */
async function start(certificate: { certPem: string; keyPem: string }, options: object = {}) {
  const heard: Heard = { resumed: [] };
  const server = createTlsServer({ cert: certificate.certPem, key: certificate.keyPem, ...options }, (socket) => {
    heard.resumed.push(socket.isSessionReused());
    // The session is on its way before this answer.
    socket.on("error", () => {}).on("data", () => socket.write("hello"));
  });
  server.on("tlsClientError", () => {});
  const sockets = new Set<TLSSocket>();
  server.on("secureConnection", (socket) => sockets.add(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  later(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  });
  return { ...heard, server, port: (server.address() as AddressInfo).port };
}

interface Trusting {
  readonly pin?: string;
  readonly ca?: string;
  readonly limits?: Parameters<typeof resolveLimits>[0];
}

async function call(port: number, { limits, ...trusted }: Trusting): Promise<{ readonly authorized: boolean }> {
  const trust = trustOptions({ host: "127.0.0.1", ...trusted });
  const options = { trust, allowCleartext: false, limits: resolveLimits(limits) };
  const socket = (await dial({ kind: "tls", host: "127.0.0.1", port }, options)) as TLSSocket;
  later(() => socket.destroy());
  socket.write("hello");
  await once(socket, "data");
  const { authorized } = socket;
  socket.destroy();
  return { authorized };
}

describe("a session is resumed", () => {
  test("by the pin, again and again, for as long as it lives", async () => {
    const certificate = await createCertificate();
    const { port, resumed } = await start(certificate);
    for (let turn = 0; turn < 4; turn++) await call(port, { pin: certificate.pin });
    expect(resumed).toEqual([false, true, true, true]);
  });

  test("by the authority, and the socket counts as authorized", async () => {
    const certificate = await createCertificate();
    const { port, resumed } = await start(certificate);
    await call(port, { ca: certificate.certPem });
    expect((await call(port, { ca: certificate.certPem })).authorized).toBe(true);
    expect(resumed).toEqual([false, true]);
  });

  test("by a client that connects again, and its proof counts on the new connection", async () => {
    const tokens = `${temporaryFolder()}/tokens.json`;
    const { token } = await addToken(tokens, { owner: "alice" });
    const server = new Server({ commands: [hello], port: 0, tokens, stateFolder: temporaryFolder() });
    later(() => server.close({ graceMs: 0 }));
    const { url } = await server.listen();
    for (let turn = 0; turn < 3; turn++) {
      const client = await connect(url, { token });
      expect(await client.call("hello")).toBe("hello");
      await client.close();
    }
  });
});

describe("a session is not resumed", () => {
  test("when the server has another key by now: a pin refuses it", async () => {
    const [before, after] = [await createCertificate(), await createCertificate()];
    const { port, server, resumed } = await start(before);
    await call(port, { pin: before.pin });
    server.setSecureContext({ cert: after.certPem, key: after.keyPem });
    expect(await errorOf(call(port, { pin: before.pin }))).toMatchObject({ code: "not_trusted" });
    await call(port, { pin: after.pin });
    expect(resumed.slice(0, 1)).toEqual([false]);
    expect(resumed).not.toContain(true);
  });

  test("when the server has another certificate by now: the authority must know it", async () => {
    const [before, after] = [await createCertificate(), await createCertificate()];
    const { port, server } = await start(before);
    await call(port, { ca: before.certPem });
    server.setSecureContext({ cert: after.certPem, key: after.keyPem });
    expect(await errorOf(call(port, { ca: before.certPem }))).toMatchObject({ code: "not_trusted" });
  });

  test("with another pin, which refuses the server as if it was never met", async () => {
    const [certificate, other] = [await createCertificate(), await createCertificate()];
    const { port, resumed } = await start(certificate);
    await call(port, { pin: certificate.pin });
    expect(await errorOf(call(port, { pin: other.pin }))).toMatchObject({ code: "not_trusted" });
    expect(resumed).not.toContain(true);
  });

  test("by a file of authorities that does not have its authority any more", async () => {
    const [certificate, other] = [await createCertificate(), await createCertificate()];
    const { port, resumed } = await start(certificate);
    const ca = `${temporaryFolder()}/ca.pem`;
    writeFileSync(ca, certificate.certPem);
    await call(port, { ca });
    writeFileSync(ca, other.certPem);
    expect(await errorOf(call(port, { ca }))).toMatchObject({ code: "not_trusted" });
    expect(resumed).not.toContain(true);
  });

  test("by the pin when the authority was checked, or the other way round", async () => {
    const certificate = await createCertificate();
    const { port, resumed } = await start(certificate);
    await call(port, { pin: certificate.pin });
    await call(port, { ca: certificate.certPem });
    expect(resumed).toEqual([false, false]);
  });

  test("after its time, after a failed check there, in TLS 1.2, or when no session may be kept", async () => {
    const [certificate, other] = [await createCertificate(), await createCertificate()];
    const { pin } = certificate;
    const short = await start(certificate);
    for (let turn = 0; turn < 2; turn++) await call(short.port, { pin, limits: { tlsSessionLifetimeMs: 0 } });
    expect(short.resumed).toEqual([false, false]);
    const older = await start(certificate, { maxVersion: "TLSv1.2" });
    for (let turn = 0; turn < 2; turn++) await call(older.port, { pin });
    expect(older.resumed).toEqual([false, false]);
    const none = await start(certificate);
    for (let turn = 0; turn < 2; turn++) await call(none.port, { pin, limits: { maxTlsSessions: 0 } });
    expect(none.resumed).toEqual([false, false]);
    const changed = await start(certificate);
    await call(changed.port, { pin });
    changed.server.setSecureContext({ cert: other.certPem, key: other.keyPem });
    await errorOf(call(changed.port, { pin }));
    changed.server.setSecureContext({ cert: certificate.certPem, key: certificate.keyPem });
    await call(changed.port, { pin });
    expect(changed.resumed).not.toContain(true);
  });

  test("beyond as many as are kept: the one that was used longest ago goes first", async () => {
    const certificate = await createCertificate();
    const { pin } = certificate;
    const [first, second] = [await start(certificate), await start(certificate)];
    const limits = { maxTlsSessions: 1 };
    await call(first.port, { pin, limits });
    await call(second.port, { pin, limits });
    await call(first.port, { pin, limits });
    expect(first.resumed).toEqual([false, false]);
  });

  test("by a client that shows a certificate", async () => {
    const staff = await authority("staff");
    const { certificate, key } = await staff.sign("alice");
    const server = await createCertificate();
    // This server would resume: only the client keeps nothing.
    const asking = await start(server, { requestCert: true, ca: [staff.pem], rejectUnauthorized: true });
    const own: ConnectOptions = { certificate, key, pin: server.pin };
    for (let turn = 0; turn < 2; turn++) {
      await errorOf(connect(`iscep://127.0.0.1:${asking.port}`, own));
    }
    expect(asking.resumed).toEqual([false, false]);
  });
});
