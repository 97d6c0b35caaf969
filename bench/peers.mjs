// Server and client of a measurement are processes of their own. They are forked here and get their orders by messages.
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

const roleFile = fileURLToPath(new URL("role.mjs", import.meta.url));

/** A process with one role, which obeys messages. */
class Peer {
  #child = fork(roleFile, { execArgv: ["--expose-gc"], stdio: ["ignore", "inherit", "inherit", "ipc"] });

  ask(message) {
    return new Promise((resolve, reject) => {
      const gone = (code) => reject(new Error(`a process of the benchmark ended with ${code}`));
      this.#child.once("exit", gone);
      this.#child.once("message", (answer) => {
        this.#child.off("exit", gone);
        resolve(answer);
      });
      this.#child.send(message);
    });
  }

  async stop() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    if (this.#child.connected) this.#child.disconnect();
    await ended;
  }
}

export async function withPeers(count, work) {
  const peers = Array.from({ length: count }, () => new Peer());
  try {
    return await work(...peers);
  } finally {
    await Promise.all(peers.map((peer) => peer.stop()));
  }
}

/** Runs one server and one client, and returns what the client measured. */
export function measureOnce(serverRole, serverOptions, clientRole, clientOptions) {
  return withPeers(2, async (server, client) => {
    const { port, pin } = await server.ask({ role: serverRole, options: serverOptions });
    const before = await server.ask({ measure: "processor" });
    const answer = await client.ask({ role: clientRole, options: { port, pin, ...clientOptions } });
    const after = await server.ask({ measure: "processor" });
    const serverMicroseconds = after.microseconds - before.microseconds;
    return { ...answer, serverMicroseconds, serverMicrosecondsPerCall: serverMicroseconds / answer.calls };
  });
}

/**
 * The server's bytes for each thing that a client holds open: its memory with `count` things, minus that with `few`.
 */
export function bytesOfEach(serverRole, serverOptions, clientRole, { few, count, ...clientOptions }) {
  return withPeers(2, async (server, client) => {
    const { port, pin } = await server.ask({ role: serverRole, options: serverOptions });
    // The first things also pay for what all share: code, pools, tables.
    await client.ask({ role: clientRole, options: { port, pin, ...clientOptions, count: few } });
    const before = await server.ask({ measure: "memory" });
    const { open } = await client.ask({ role: clientRole, options: { port, pin, ...clientOptions, count } });
    if (open !== count) throw new Error(`only ${open} of ${count} stayed open`);
    const after = await server.ask({ measure: "memory" });
    return (after.rss - before.rss) / count;
  });
}
