import { expect, test } from "vitest";
import { watchForLeaks } from "../../support/leaks.js";
import { rawPacket, Type } from "../../support/raw-packets.js";
import { startServer } from "../../support/servers.js";

watchForLeaks();

test("an echo of more elements than an answer may have is refused, and the connection goes on", async () => {
  const server = await startServer({ tokens: false });
  const peer = await server.raw();
  peer.send(rawPacket(Type.echo, `{"response":{"echo":[${"1,".repeat(1_000_000)}1]}}`));
  const refusal = await peer.next();
  expect(refusal?.type).toBe(Type.error);
  expect(refusal?.body).toContain("too many elements");
  peer.send(rawPacket(Type.echo, { response: { echo: "after" } }));
  expect((await peer.next())?.body).toBe(`{"response":{"echo":"after"}}`);
});
