/** Callers who have no connection: each request proves a token by itself. */
import { expect, test } from "vitest";
import type { BuiltInDoorServer, TokenProof } from "#iscep/doors/built-in-door";
import { addToken, removeToken } from "#iscep/identity/tokens-writer";
import { clientKey, secretOf, storedKeyOf } from "#iscep/identity/tokens";
import { tokenReference } from "#iscep/session/proof";
import { isProvenRequest, proofHeader, queuedRunId, readProofHeader } from "#iscep/session/request-proof";
import { gate } from "../support/commands.js";
import { errorOf } from "../support/error-of.js";
import { watchForLeaks } from "../support/leaks.js";
import { SeamDoor } from "../support/seam-door.js";
import { startServer, type TestServerOptions } from "../support/servers.js";
import { until } from "../support/until.js";

watchForLeaks();

const request = {
  service: "world",
  command: "add",
  to: "any",
  timeMs: 1_700_000_000_000,
  nonce: "AAECAwQFBgcICQoLDA0ODw",
  headers: {},
  payload: Buffer.from("{}"),
};

function proofOf(token: string, changed: object = {}): TokenProof {
  const key = clientKey(secretOf(token));
  const { proven } = readProofHeader(proofHeader(request, { clientKey: key, storedKey: storedKeyOf(key) })) ?? {};
  if (proven === undefined) throw new Error("the header has a proof");
  const isProvenBy = (storedKey: Buffer): boolean =>
    isProvenRequest(storedKey, proven.proof, { ...request, ...changed });
  return { reference: proven.reference, isProvenBy };
}

/** The server as its own doors see it. */
async function serve(options: TestServerOptions): Promise<{ server: BuiltInDoorServer; tokensFile: string }> {
  const seam = new SeamDoor();
  const { tokensFile } = await startServer({ ...options, doors: [seam] });
  return { server: seam.server, tokensFile };
}

/** The server looks at its file a moment after it has changed. */
async function known(server: BuiltInDoorServer, token: string): Promise<string> {
  const client = server.client({ source: "192.0.2.7", token });
  await until(() =>
    client.list().then(
      () => true,
      () => false,
    ),
  );
  await client.close();
  return token;
}

test("a good proof is the identity of its token: its owner, its scopes, and the id that it was promised", async () => {
  const { server, tokensFile } = await serve({ tokens: {} });
  const scopes = ["discover", "run:add"];
  const token = await known(server, (await addToken(tokensFile, { owner: "ada", scopes })).token);
  const runId = queuedRunId(request, tokenReference(storedKeyOf(clientKey(secretOf(token)))));
  const client = server.clientOf({ source: "nats", proof: proofOf(token), runId });
  expect(await client.whoAmI()).toMatchObject({ owner: "ada" });
  const handle = client.run("add", { a: 1, b: 2 }, { idempotencyKey: "one" });
  expect(await handle.value).toBe(3);
  expect(await handle.id).toBe(runId);
  expect(await errorOf(client.call("echo", {}))).toMatchObject({ code: "command_not_found" });
  await client.close();
});

test("whoever proves nothing is refused, and locks out nobody", async () => {
  const { server, tokensFile } = await serve({
    tokens: {},
    limits: { maxFailedTokensPerConnection: 1 },
  });
  const token = await known(server, (await addToken(tokensFile, { owner: "ada" })).token);
  const { token: removed } = await addToken(tokensFile, { owner: "bob" });
  await removeToken(tokensFile, "bob");
  const refuse = (proof?: TokenProof): unknown => server.clientOf({ source: "nats", proof });
  for (let time = 0; time < 20; time++) {
    expect(await errorOf(() => refuse())).toMatchObject({ code: "unauthorized" });
    expect(await errorOf(() => refuse(proofOf(removed)))).toMatchObject({ code: "unauthorized" });
    expect(await errorOf(() => refuse(proofOf(token, { command: "remove" })))).toMatchObject({ code: "unauthorized" });
  }
  expect(server.metrics()).toMatch(/iscep_failed_tokens_total [4-9]\d\b/);
  const client = server.clientOf({ source: "nats", proof: proofOf(token) });
  expect(await client.call("add", { a: 1, b: 2 })).toBe(3);
  await client.close();
});

test("a token that is removed ends what it began", async () => {
  const slow = gate("slow");
  const { server, tokensFile } = await serve({
    commands: [slow.command],
    tokens: {},
    limits: { callerGraceMs: 1 },
  });
  const token = await known(server, (await addToken(tokensFile, { owner: "ada" })).token);
  const client = server.clientOf({ source: "nats", proof: proofOf(token) });
  const waiting = errorOf(client.call("slow", {}));
  await slow.started(1);
  await removeToken(tokensFile, "ada");
  expect(await waiting).toMatchObject({ code: "lost" });
  await until(() => slow.state.aborted === 1);
  expect(await errorOf(() => server.clientOf({ source: "nats", proof: proofOf(token) }))).toMatchObject({
    code: "unauthorized",
  });
  await client.close();
});

test("a server without tokens asks for none, and one that asks for certificates takes nobody who can show none", async () => {
  const open = await serve({ tokens: false });
  expect(open.server.access).toBe("machine");
  const client = open.server.clientOf({ source: "nats" });
  expect(await client.call("add", { a: 1, b: 2 })).toBe(3);
  await client.close();
  const strict = await serve({ tokens: {}, tls: true, clientCertificates: { mode: "certificate+token" } });
  const { token } = await addToken(strict.tokensFile, { owner: "ada" });
  expect(strict.server.access).toBe("tokens");
  expect(await errorOf(() => strict.server.clientOf({ source: "nats", proof: proofOf(token) }))).toMatchObject({
    code: "unauthorized",
    message: expect.stringMatching(/asks for a client certificate/),
  });
});
