/** Client certificates: who is let in, in which mode and version, and that nothing lets anybody past the check. */
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { connect, Server, type ClientCertificates } from "iscep";
import { httpDoor } from "iscep/http";
import { beforeAll, describe, expect, test } from "vitest";
import { addCertificate } from "#iscep/identity/certificate-writer";
import { createCertificate, pinOfCertificate } from "#iscep/identity/certificates";
import { clientKey, secretOf, storedKeyOf } from "#iscep/identity/tokens";
import { addToken, listTokens, removeToken } from "#iscep/identity/tokens-writer";
import { authenticationMessage, clientProof, tokenReference } from "#iscep/session/proof";
import { authority, type Authority } from "../support/authority.js";
import { later, shared } from "../support/cleanup.js";
import { RawHttp } from "../support/http.js";
import { inTime } from "../support/in-time.js";
import { rawPacket, Type } from "../support/raw-packets.js";
import { RawPeer } from "../support/raw-peer.js";
import { HELLO, helloPacket, messages, RawSession, request } from "../support/raw-session.js";
import { logLines, startServer, type TestServer } from "../support/servers.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { until } from "../support/until.js";

interface Shown {
  readonly certificate: string;
  readonly key: string;
}

const dayMs = 86_400_000;
let right: Shown;
let wrong: Shown;
let revoked: Shown;
let expired: Shown;
/** The entries of a tokens file. They are made once, as each takes the file's lock and is written to the disk. */
let entries: Readonly<Record<string, unknown>>;
let aliceToken: string;

async function made(options: Parameters<typeof createCertificate>[0] = {}): Promise<Shown> {
  const { certPem, keyPem } = await createCertificate({ hosts: ["client"], ...options });
  return { certificate: certPem, key: keyPem };
}

beforeAll(async () => {
  right = await made();
  wrong = await made();
  revoked = await made();
  expired = await made({ days: 1, nowMs: Date.now() - 10 * dayMs });
  const tokensFile = path.join(temporaryFolder(), "tokens.json");
  aliceToken = (await addToken(tokensFile, { owner: "alice" })).token;
  for (const { certificate } of [right, revoked, expired])
    await addCertificate(tokensFile, { owner: "alice", certificate });
  await removeToken(tokensFile, idOf(tokensFile, revoked));
  entries = JSON.parse(readFileSync(tokensFile, "utf8")) as typeof entries;
});

interface Served extends TestServer {
  readonly token: string;
}

async function serverWith(clientCertificates: ClientCertificates): Promise<Served> {
  const server = await startServer({ tls: true, tokens: entries, clientCertificates, doors: [httpDoor()] });
  return { ...server, token: aliceToken };
}

function idOf(tokensFile: string, { certificate }: Shown): string {
  const pin = pinOfCertificate(certificate);
  return listTokens(tokensFile).find((entry) => entry.certificate === pin)?.id ?? "";
}

async function dialled(server: TestServer, shown: Shown | undefined): Promise<TLSSocket> {
  const own = shown === undefined ? {} : { cert: shown.certificate, key: shown.key };
  const socket = connectTls({ host: "127.0.0.1", port: server.port ?? 0, rejectUnauthorized: false, ...own });
  later(() => socket.destroy());
  await once(socket, "secureConnect");
  return socket;
}

/** What a caller hears who does everything by the book, in bytes written by hand. */
async function heardInVersion1(socket: TLSSocket, token: string | undefined): Promise<string> {
  const peer = new RawPeer(socket);
  const content = { command: "add", args: { a: 1, b: 2 }, ...(token === undefined ? {} : { auth_token: token }) };
  const { type, body } = await peer.send(rawPacket(Type.command, content)).answer();
  if (type === Type.response) return "let in";
  return `${type === Type.unauthorized ? "unauthorized" : String(type)} ${body}`;
}

async function heardInVersion2(socket: TLSSocket, token: string | undefined): Promise<string> {
  const session = new RawSession(socket);
  const hello = helloPacket();
  await session.send(hello).until(() => session.packets.length > 0);
  const answer = session.packets[0];
  if (answer?.type !== HELLO) return "no HELLO";
  const { authentication } = JSON.parse(answer.content.toString()) as { authentication: string };
  if (authentication === "token" && token !== undefined) {
    const key = clientKey(secretOf(token));
    const keys = { clientKey: key, storedKey: storedKeyOf(key) };
    const binding = socket.exportKeyingMaterial(32, "EXPORTER-Channel-Binding", Buffer.alloc(0));
    const message = authenticationMessage(hello.subarray(6, -32), answer.content, binding);
    const params = { token: tokenReference(keys.storedKey), proof: clientProof(keys, message).toString("base64url") };
    session.send(messages(request(1, "authenticate", params)));
    const proven = await session.response(1);
    if (proven["error"] !== undefined) return JSON.stringify(proven["error"]);
  }
  session.send(messages(request(2, "call", { command: "add", args: { a: 1, b: 2 } })));
  const { result, error } = await session.response(2);
  return error === undefined ? `let in${result === undefined ? " with nothing" : ""}` : JSON.stringify(error);
}

/** @param more further headers; a call without any is answered without the app */
async function heardInHttp(socket: TLSSocket, token: string | undefined, more: readonly string[]): Promise<string> {
  const raw = new RawHttp(socket);
  raw.send("POST /commands/add HTTP/1.1", "Host: localhost", "Content-Type: application/json", "Content-Length: 13");
  raw.send(
    "",
    ...more,
    ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]),
    "Connection: close",
    "",
    "",
  );
  const text = await raw.send('{"a":1,"b":2}').rest();
  return text.startsWith("HTTP/1.1 200 ") ? "let in" : text;
}

const ways = {
  "version 1": heardInVersion1,
  "version 2": heardInVersion2,
  HTTP: (socket: TLSSocket, token: string | undefined) => heardInHttp(socket, token, []),
  "HTTP with a preference": (socket: TLSSocket, token: string | undefined) =>
    heardInHttp(socket, token, ["Prefer: handling=lenient"]),
};

const modes = ["token", "certificate", "certificate+token"] as const;
const certificates = ["none", "wrong", "expired", "revoked", "right"] as const;
const tokens = ["no token", "a token"] as const;

function shownFor(which: (typeof certificates)[number]): Shown | undefined {
  return { none: undefined, wrong, expired, revoked, right }[which];
}

const sentences = {
  none: /asks for a client certificate, and none was shown/,
  wrong: /does not know the client certificate/,
  expired: /has expired/,
  revoked: /does not know the client certificate/,
  right: /unauthorized|did not accept the token/,
};

describe.each(modes)("a server that asks for mode %s", (mode) => {
  const opened = shared(() => serverWith({ mode }));

  describe.each(Object.entries(ways))("over %s", (_, heardOver) => {
    const cases = certificates.flatMap((which) => tokens.map((given) => [which, given] as const));
    test.each(cases)("certificate %s, and %s", async (which, given) => {
      const server = opened();
      const socket = await dialled(server, shownFor(which));
      const token = given === "a token" ? server.token : undefined;
      const heard = await heardOver(socket, token);
      const letIn =
        mode === "token" ? token !== undefined : which === "right" && (mode === "certificate" || token !== undefined);
      if (letIn) expect(heard).toBe("let in");
      else if (mode === "token") expect(heard).toMatch(/unauthorized|token/);
      else expect(heard).toMatch(sentences[which]);
      if (!letIn) expect(heard).not.toContain("let in");
    });
  });
});

describe("a certificate", () => {
  async function reconnected(mode: (typeof modes)[number], maxVersion: "TLSv1.2" | "TLSv1.3"): Promise<TLSSocket> {
    const server = await serverWith({ mode });
    const dial = async (session?: Buffer): Promise<TLSSocket> => {
      const own = { cert: right.certificate, key: right.key, ...(session === undefined ? {} : { session }) };
      const socket = connectTls({ port: server.port ?? 0, rejectUnauthorized: false, maxVersion, ...own });
      later(() => socket.destroy());
      await once(socket, "secureConnect");
      return socket;
    };
    const first = await dial();
    const sessions: Buffer[] = [];
    first.on("session", (session: Buffer) => sessions.push(session));
    // With its answer come the tickets, if there are any.
    expect(await heardInVersion1(first, server.token)).toBe("let in");
    const session = sessions[0] ?? first.getSession();
    first.destroy();
    await removeToken(server.tokensFile, "alice");
    return dial(session);
  }

  test.each(["TLSv1.2", "TLSv1.3"] as const)(
    "goes on proving itself: no session of %s is taken up again",
    async (tls) => {
      const again = await reconnected("certificate", tls);
      expect(again.isSessionReused()).toBe(false);
      expect(await heardInVersion2(again, undefined)).toMatch(sentences.revoked);
      // Where no certificate is asked for it is, so this test would see it.
      expect((await reconnected("token", tls)).isSessionReused()).toBe(true);
    },
  );

  test.each(["certificate", "certificate+token"] as const)(
    "that is removed ends its session soon, in mode %s",
    async (mode) => {
      const options = { certificate: right.certificate, key: right.key, protocol: 2 } as const;
      const client = await inTime(5_000, async (from) => {
        const server = await serverWith({ mode });
        const own = await connect(server.url, { ...options, token: server.token });
        later(() => own.close());
        expect(await own.call("add", { a: 1, b: 2 })).toBe(3);
        const before = server.server.connections;
        from();
        await removeToken(server.tokensFile, idOf(server.tokensFile, right));
        await until(() => server.server.connections === before - 1, "the session goes on");
        return own;
      });
      await expect(client.call("add", { a: 1, b: 2 })).rejects.toMatchObject({
        code: "unauthorized",
        message: expect.stringMatching(sentences.revoked) as string,
      });
    },
  );

  test("of another owner than the token's lets nobody in", async () => {
    const server = await serverWith({ mode: "certificate+token" });
    const { token } = await addToken(server.tokensFile, { owner: "bob" });
    for (const protocol of [1, 2] as const) {
      const client = await connect(server.url, { token, certificate: right.certificate, key: right.key, protocol });
      later(() => client.close());
      await expect(client.call("add", { a: 1, b: 2 })).rejects.toMatchObject({ code: "unauthorized" });
    }
  });

  test("may do what its entry says, and no more", async () => {
    const server = await startServer({ tls: true, tokens: {}, clientCertificates: { mode: "certificate" } });
    await addCertificate(server.tokensFile, { owner: "alice", certificate: right.certificate, scopes: ["run:echo*"] });
    const client = await connect(server.url, { certificate: right.certificate, key: right.key });
    later(() => client.close());
    await expect(client.call("add", { a: 1, b: 2 })).rejects.toMatchObject({ code: "command_not_found" });
    await expect(client.list()).rejects.toMatchObject({ code: "unauthorized" });
  });

  test("counts in the networks of its entry alone, and until its end", async () => {
    const server = await startServer({ tls: true, tokens: {}, clientCertificates: { mode: "certificate" } });
    await addCertificate(server.tokensFile, { owner: "a", certificate: right.certificate, cidrs: ["192.0.2.0/24"] });
    await addCertificate(server.tokensFile, { owner: "b", certificate: wrong.certificate, expiresInMs: 1 });
    for (const shown of [right, wrong])
      expect(await heardInVersion2(await dialled(server, shown), undefined)).toMatch(sentences.wrong);
  });

  test("that is refused is told to the log, by no word of the peer", async () => {
    const server = await serverWith({ mode: "certificate" });
    await heardInVersion1(await dialled(server, wrong), undefined);
    const lines = logLines(await server.logged()).filter(({ event }) => event === "unauthorized");
    expect(lines).toHaveLength(1);
    expect(lines[0]?.["message"]).toMatch(sentences.wrong);
  });
});

describe("names that an authority vouches for", () => {
  let own: Authority;
  let other: Authority;
  beforeAll(async () => {
    own = await authority("Own");
    other = await authority("Other");
  });

  async function serverOf(ca: string | readonly string[]): Promise<TestServer> {
    const server = await startServer({ tls: true, tokens: {}, clientCertificates: { mode: "certificate", ca } });
    await addCertificate(server.tokensFile, { owner: "alice", certificate: "cn:alice" });
    return server;
  }

  test("let in whoever has a certificate of that name, renewed ones too", async () => {
    const file = path.join((await startServer()).folder, "ca.pem");
    writeFileSync(file, own.pem);
    const server = await serverOf([file]);
    for (const shown of [await own.sign("alice"), await own.sign("alice")])
      expect(await heardInVersion2(await dialled(server, shown), undefined)).toBe("let in");
  });

  test.each<[what: string, shown: () => Promise<Shown>]>([
    ["another name", () => own.sign("bob")],
    ["that name from another authority", () => other.sign("alice")],
    ["that name, signed by itself", () => made({ hosts: ["alice"] })],
    ["that name and another one", () => own.sign("alice", "bob")],
    ["the name with white space", () => own.sign("alice ")],
  ])("do not let in %s", async (_what, shown) => {
    const server = await serverOf(own.pem);
    expect(await heardInVersion2(await dialled(server, await shown()), undefined)).toMatch(sentences.wrong);
  });

  test("count for nothing where the server has no authority", async () => {
    const server = await serverOf([]);
    expect(await heardInVersion2(await dialled(server, await own.sign("alice")), undefined)).toMatch(sentences.wrong);
  });
});

describe("a server refuses to start", () => {
  const clientCertificates = { mode: "certificate" } as const;
  test.each<[why: string, options: ConstructorParameters<typeof Server>[0], said: RegExp]>([
    ["without a tokens file", { port: 0 }, /need a tokens file/],
    ["open to all", { port: 0, tokens: false }, /need a tokens file/],
    ["in cleartext", { port: 0, tls: false, tokens: "tokens.json" }, /need TLS in every place/],
    ["on a unix socket", { unix: "/tmp/iscep-never.sock", tokens: "tokens.json" }, /need TLS in every place/],
    [
      "on a unix socket beside TLS",
      { listen: [{ host: "127.0.0.1", port: 0 }, { unix: "/tmp/iscep-never.sock" }], tokens: "tokens.json" },
      /need TLS in every place/,
    ],
  ])("%s, when it is to ask for certificates", (_why, options, said) => {
    expect(() => new Server({ ...options, clientCertificates })).toThrow(said);
  });

  test("with an authority that is no certificate, or missing", async () => {
    for (const ca of ["-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----", "missing.pem"]) {
      await expect(
        startServer({ tls: true, tokens: {}, clientCertificates: { mode: "certificate", ca } }),
      ).rejects.toMatchObject({ code: "configuration" });
    }
  });
});

describe("the client", () => {
  test("shows its certificate and comes back with it", async () => {
    const server = await serverWith({ mode: "certificate" });
    for (const protocol of [1, 2] as const) {
      const client = await connect(server.url, { certificate: right.certificate, key: right.key, protocol });
      later(() => client.close());
      expect(await client.call("add", { a: 1, b: 2 })).toBe(3);
    }
  });

  test("tells what the server says of a certificate that is not there, or wrong", async () => {
    const server = await serverWith({ mode: "certificate" });
    for (const protocol of [1, 2] as const) {
      for (const [shown, said] of [
        [{}, sentences.none],
        [wrong, sentences.wrong],
      ] as const) {
        const client = await connect(server.url, { ...shown, token: server.token, protocol });
        later(() => client.close());
        const message = expect.stringMatching(said) as string;
        await expect(client.call("add", { a: 1, b: 2 })).rejects.toMatchObject({ code: "unauthorized", message });
      }
    }
  });

  test.each<[what: string, options: () => Parameters<typeof connect>[1], code: string, said: RegExp]>([
    ["a certificate without its key", () => ({ certificate: right.certificate }), "usage", /belong together/],
    ["a key without its certificate", () => ({ key: right.key }), "usage", /belong together/],
    ["a key of another certificate", () => ({ ...right, key: wrong.key }), "configuration", /do not belong together/],
    ["an expired certificate", () => expired, "configuration", /expired/],
    ["a file that is missing", () => ({ ...right, certificate: "missing.pem" }), "configuration", /does not exist/],
  ])("refuses %s before it connects", async (_what, options, code, said) => {
    await expect(connect("iscep://127.0.0.1:1", options())).rejects.toMatchObject({
      code,
      message: expect.stringMatching(said) as string,
    });
  });

  test("shows no certificate to a cleartext address", async () => {
    await expect(connect("iscep+tcp://127.0.0.1:1", right)).rejects.toMatchObject({ code: "usage" });
  });
});
