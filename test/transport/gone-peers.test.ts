/** Peers that are gone before the server can ask the system for their address. */
import { Worker } from "node:worker_threads";
import { once } from "node:events";
import { expect, test } from "vitest";
import { Listener, type Handshake } from "#iscep/transport/listener";
import { later } from "../support/cleanup.js";
import { testCertificate } from "../support/servers.js";
import { until } from "../support/until.js";

const connections = 20;

/** Connects, resets, and wakes the main thread, which has accepted nothing meanwhile. */
const peers = `
  const { connect } = require("node:net");
  const { workerData } = require("node:worker_threads");
  const signal = new Int32Array(workerData.signal);
  let left = workerData.connections;
  for (let count = 0; count < workerData.connections; count++) {
    const socket = connect(workerData.port, "127.0.0.1", () => socket.resetAndDestroy());
    socket.on("close", () => {
      if (--left > 0) return;
      Atomics.store(signal, 0, 1);
      Atomics.notify(signal, 0);
    });
  }
`;

test("each of their handshakes ends", async () => {
  const { cert: certPem, key: keyPem } = await testCertificate();
  const underWay = new Set<Handshake>();
  const sources = new Set<string>();
  let released = 0;
  const listener = new Listener({
    endpoint: { host: "127.0.0.1", port: 0 },
    certificate: { certPem, keyPem },
    backlog: connections,
    tlsHandshakeTimeoutMs: 10_000,
    admit: () => ({ verdict: "admit" }),
    released: () => released++,
    handshakeBegan: (handshake) => {
      underWay.add(handshake);
      sources.add(handshake.source);
    },
    handshakeOver: (handshake) => underWay.delete(handshake),
    onConnection: () => {},
    onTlsFailure: () => {},
    alpnProtocols: () => [],
  });
  later(() => listener.close());
  const port = await listener.listen();
  const signal = new SharedArrayBuffer(4);
  const worker = new Worker(peers, { eval: true, workerData: { port, connections, signal } });
  const exited = once(worker, "exit");
  await once(worker, "online");
  Atomics.wait(new Int32Array(signal), 0, 0, 20_000);
  await until(() => released === connections);
  await exited;
  expect(sources).toContain("unknown");
  expect(underWay.size).toBe(0);
});
