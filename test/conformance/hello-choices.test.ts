/** What both HELLO agree on (PROTOCOL.md, "What HELLO agrees on"), between our sides and those that were written from the page alone. */
import { createHash, generateKeyPairSync, X509Certificate } from "node:crypto";
import { describe, expect, test } from "vitest";
import { connect, defineCommand, Server, type ServerOptions } from "iscep";
import { createSelfSigned } from "#iscep/identity/self-signed";
import { mintToken } from "#iscep/identity/tokens";
import { addToken } from "#iscep/identity/tokens-writer";
import { endPointBinding } from "#iscep/transport/channel-binding";
import { ed25519Certificate } from "../support/authority.js";
import { later } from "../support/cleanup.js";
import { AnswerError, Peer } from "../support/conformance/peer.mjs";
import { serve } from "../support/conformance/server.mjs";
import { errorOf } from "../support/error-of.js";
import { helloChanger, tlsRelay } from "../support/hello-changer.js";
import { watchForLeaks } from "../support/leaks.js";
import { collect } from "../support/output.js";
import { testCertificate } from "../support/servers.js";
import { temporaryFolder } from "../support/temporary-folder.js";

watchForLeaks();

const speak = defineCommand({
  name: "speak",
  description: "Writes some output, in pieces small and large",
  run: async (_args, { output }) => {
    await output.write("stdout", "small");
    await output.write("stdout", Buffer.alloc(100_000, "x"));
    return "done";
  },
});

type Kind = "tls" | "tcp" | "unix";

async function start(kind: Kind, options: ServerOptions = {}) {
  const folder = temporaryFolder();
  const tokens = `${folder}/tokens.json`;
  const { token } = await addToken(tokens, { owner: "alice" });
  const certificate = await testCertificate();
  const server = new Server({
    commands: [speak],
    tokens,
    ...(kind === "unix" ? { unix: `${folder}/s` } : { port: 0, tls: kind === "tls" && certificate }),
    ...options,
  });
  later(() => server.close({ graceMs: 0 }));
  const { port, url } = await server.listen();
  const secure = { rejectUnauthorized: false };
  return {
    url,
    port,
    token,
    async peer(asks?: { hashes?: readonly string[]; bindings?: readonly string[] }) {
      const path = kind === "unix" ? { path: `${folder}/s` } : {};
      const peer = await Peer.connect({
        port,
        ...path,
        tls: kind === "tls" && secure,
        token,
        ...(asks === undefined ? {} : { asks }),
      });
      later(() => peer.end());
      return peer;
    },
  };
}

async function worksWith(peer: Peer): Promise<void> {
  const followed = peer.follow("call", { command: "speak", args: {}, output: 0 });
  let bytes = 0;
  for await (const piece of followed.output()) bytes += piece.bytes.length;
  expect(bytes).toBe(100_005);
  expect(await followed.answer).toMatchObject({ value: "done" });
}

describe("our server chooses the hash", () => {
  test.each<[Kind, readonly string[] | undefined, string | undefined]>([
    ["tcp", undefined, undefined],
    ["tcp", [], undefined],
    ["tcp", ["none"], undefined],
    ["tcp", ["none", "crc32", "blake9"], "crc32"],
    ["tcp", ["sha256"], "sha256"],
    ["tls", undefined, undefined],
    ["tls", ["none", "crc32"], "none"],
    ["tls", ["crc32", "none"], "none"],
    ["tls", ["crc32"], "crc32"],
    ["unix", ["none", "crc32"], "none"],
    ["unix", ["sha256", "crc32"], "crc32"],
  ])("over %s, of %j: %s", async (kind, hashes, chosen) => {
    const peer = await (await start(kind)).peer(hashes === undefined ? undefined : { hashes });
    expect(peer.hello.hash).toBe(chosen);
    expect("binding" in peer.hello).toBe(false);
    await worksWith(peer);
  });
});

async function failureOf(attempt: Promise<unknown>): Promise<unknown> {
  return attempt.then(
    () => undefined,
    (error: unknown) => error,
  );
}

const exporterOnly = { message: expect.stringContaining("tls-exporter, which was not offered") as string };

describe("our server chooses the channel binding", () => {
  test.each<[readonly string[], string]>([
    [["tls-exporter"], "tls-exporter"],
    [["tls-server-end-point", "tls-exporter"], "tls-exporter"],
    [["tls-server-end-point"], "tls-server-end-point"],
    [["tls-unique"], "tls-exporter"],
  ])("of %j: %s", async (bindings, chosen) => {
    const { peer } = await start("tls");
    if (!bindings.includes(chosen)) {
      expect(await failureOf(peer({ bindings }))).toMatchObject(exporterOnly);
      return;
    }
    const proven = await peer({ bindings });
    expect(proven.hello.binding).toBe(chosen);
    expect(proven.owner).toBe("alice");
    await worksWith(proven);
  });

  test("and refuses the second one when it was told so", async () => {
    const { peer } = await start("tls", { endPointBinding: false });
    const refused = await failureOf(peer({ bindings: ["tls-server-end-point"] }));
    expect(refused).toMatchObject(exporterOnly);
    expect((await peer({ bindings: ["tls-exporter"] })).owner).toBe("alice");
  });

  test("and does not take the second one with a certificate that has none", async () => {
    const { peer } = await start("tls", { tls: await ed25519Certificate() });
    const refused = await failureOf(peer({ bindings: ["tls-server-end-point"] }));
    expect(refused).toMatchObject(exporterOnly);
  });

  test("and says nothing of it without TLS", async () => {
    const proven = await (await start("tcp")).peer({ bindings: ["tls-server-end-point"] });
    expect([proven.hello.binding, proven.owner]).toEqual([undefined, "alice"]);
  });

  test("and takes no proof that is bound to another certificate", async () => {
    // The peer proves itself to the relay, which shows this other certificate and passes its bytes on.
    const { port, token } = await start("tls");
    const other = await createSelfSigned();
    const between = await tlsRelay(port ?? 0, other);
    const asks = { bindings: ["tls-server-end-point"] };
    const attempt = Peer.connect({ port: between, tls: { rejectUnauthorized: false }, token, asks });
    expect(await failureOf(attempt)).toBeInstanceOf(AnswerError);
  });
});

describe("the second binding is the hash of the certificate,", () => {
  test.each([
    ["P-256", () => generateKeyPairSync("ec", { namedCurve: "P-256" }), "sha256"],
    ["P-384", () => generateKeyPairSync("ec", { namedCurve: "P-384" }), "sha384"],
    ["P-521", () => generateKeyPairSync("ec", { namedCurve: "P-521" }), "sha512"],
    ["RSA", () => generateKeyPairSync("rsa", { modulusLength: 2048 }), "sha256"],
  ])("made as its signature is made: %s", async (_name, newKey, name) => {
    const keyPem = newKey().privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const { certPem } = await createSelfSigned({ keyPem });
    const { raw } = new X509Certificate(certPem);
    expect(endPointBinding(raw)?.equals(createHash(name).update(raw).digest())).toBe(true);
  });

  test("and there is none for a signature without a hash function of its own, or without a certificate", async () => {
    expect(endPointBinding(new X509Certificate((await ed25519Certificate()).cert).raw)).toBeUndefined();
    expect(endPointBinding(undefined)).toBeUndefined();
  });
});

describe("our client", () => {
  async function served(tls: boolean, options: { readonly hash?: string; readonly says?: object } = {}) {
    const { cert, key, pin } = await testCertificate();
    const token = mintToken();
    const server = await serve({ token, secure: tls ? { cert, key } : false, ...options });
    later(() => server.close());
    const url = tls ? `iscep://127.0.0.1:${server.port}?pin=${pin}` : `iscep+tcp://127.0.0.1:${server.port}`;
    return { server, open: () => connect(url, { token }) };
  }

  test.each([
    [true, ["none", "crc32"], "none"],
    [false, ["crc32"], "crc32"],
  ])("offers what fits, and uses what was chosen (TLS: %s)", async (tls, offered, chosen) => {
    const { server, open } = await served(tls);
    const client = await open();
    later(() => client.close());
    const run = client.run("speak", { bytes: 30_000 });
    expect((await collect(run)).all).toHaveLength(30_000);
    expect(server.hellos[0]?.client["hashes"]).toEqual(offered);
    expect(server.hellos[0]?.server["hash"]).toBe(chosen);
  });

  test.each([
    [false, { hash: "none" }, /hash "none".*not offered/],
    [true, { says: { hash: "md5" } }, /hash "md5".*not offered/],
    [true, { says: { hash: 1 } }, /HELLO/],
    [true, { says: { binding: "tls-server-end-point" } }, /binding "tls-server-end-point".*not offered/],
    [true, { says: { binding: null } }, /HELLO/],
  ])("takes no choice that it did not offer (TLS: %s, %j)", async (tls, options, message) => {
    const { open } = await served(tls, options);
    expect(await errorOf(open())).toMatchObject({ code: "protocol", message: expect.stringMatching(message) });
  });
});

describe("somebody between, in cleartext,", () => {
  test.each<[string, (hello: Record<string, unknown>) => void, (hello: Record<string, unknown>) => void]>([
    ["cannot take a name out of the offer", (hello) => delete hello["hashes"], () => {}],
    ["cannot add one", (hello) => (hello["hashes"] = ["sha256"]), () => {}],
    ["cannot add a binding", (hello) => (hello["bindings"] = ["tls-server-end-point"]), () => {}],
  ])("%s", async (_what, changeOffer, changeChoice) => {
    const { port, token } = await start("tcp");
    const between = await helloChanger(port ?? 0, changeOffer, changeChoice);
    const client = await connect(`iscep+tcp://127.0.0.1:${between}`, { token });
    later(() => client.close());
    // Whichever side looks first refuses the other, and the call never ran.
    expect(await errorOf(client.call("speak", {}))).toMatchObject({
      code: expect.stringMatching(/^(?:unauthorized|not_trusted|lost)$/),
    });
  });

  test("cannot change the choice", async () => {
    const { port, token } = await start("tcp");
    const between = await helloChanger(
      port ?? 0,
      () => {},
      (hello) => delete hello["hash"],
    );
    const client = await connect(`iscep+tcp://127.0.0.1:${between}`, { token });
    later(() => client.close());
    expect(await errorOf(client.call("speak", {}))).toBeInstanceOf(Error);
  });
});
