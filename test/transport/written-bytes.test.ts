/** A peer that reads slowly is seen to read, also while one large write is under way. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import path from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { expect, test } from "vitest";
import { writtenBytesOf } from "#iscep/transport/written-bytes";
import { later } from "../support/cleanup.js";
import { watchForLeaks } from "../support/leaks.js";
import { testCertificate } from "../support/servers.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { until } from "../support/until.js";

watchForLeaks();

/** Both ends of a connection over a unix socket, where the system holds little between them. */
async function pair(isTls: boolean): Promise<{ readonly writer: Socket; readonly reader: Socket }> {
  const file = path.join(temporaryFolder(), "s.sock");
  const server = isTls ? createTlsServer(await testCertificate()) : createServer();
  server.listen(file);
  await once(server, "listening");
  const accepted = once(server, isTls ? "secureConnection" : "connection");
  const reader = isTls ? connectTls({ path: file, rejectUnauthorized: false }) : connect(file);
  const [writer] = (await accepted) as [Socket];
  later(async () => {
    const closed = once(server, "close");
    server.close();
    for (const socket of [writer, reader]) socket.destroy();
    await closed;
  });
  return { writer, reader };
}

test.each([
  ["a unix socket", false],
  ["TLS", true],
])("over %s each piece that is read counts, and waiting does not", async (_name, isTls) => {
  const { writer, reader } = await pair(isTls);
  reader.pause();
  writer.write(Buffer.alloc(3_500_000));
  const whole = writtenBytesOf(writer).unsentBytes;
  const settled = async (): Promise<number> => {
    let { sentBytes } = writtenBytesOf(writer);
    for (let quiet = 0; quiet < 20; quiet++) {
      await turn();
      const now = writtenBytesOf(writer).sentBytes;
      if (now !== sentBytes) quiet = 0;
      sentBytes = now;
    }
    return sentBytes;
  };
  let before = await settled();
  for (let piece = 0; piece < 3; piece++) {
    // Node gives no piece to a paused reader, and the system none to a writer before much of what it holds was read.
    let read = 0;
    await until(() => {
      read += (reader.read() as Buffer | null)?.length ?? 0;
      return writtenBytesOf(writer).sentBytes !== before;
    });
    expect(read).toBeLessThan(3_000_000);
    // The write itself is not done, so that Node says of none of it that it was sent.
    expect(writtenBytesOf(writer).unsentBytes).toBe(whole);
    before = await settled();
  }
});
