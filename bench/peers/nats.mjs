// A request through nats-server, which must be installed. Server and client are both clients of it.
import { connect as connectNats } from "nats";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** Starts nats-server and a responder. The port is read from what it prints. */
export async function server() {
  const broker = spawn("nats-server", ["-a", "127.0.0.1", "-p", "-1"], { stdio: ["ignore", "ignore", "pipe"] });
  process.on("exit", () => broker.kill());
  const port = await new Promise((resolve, reject) => {
    broker.once("error", reject);
    const lines = createInterface({ input: broker.stderr });
    lines.on("line", (line) => {
      const found = /client connections on 127\.0\.0\.1:(\d+)/.exec(line);
      if (found !== null) resolve(Number(found[1]));
    });
  });
  const client = await connectNats({ servers: `127.0.0.1:${port}` });
  client.subscribe("greet", { callback: (_error, message) => message.respond(message.data) });
  await client.flush();
  return { port, brokerPid: broker.pid };
}

export async function connect({ port }) {
  const client = await connectNats({ servers: `127.0.0.1:${port}` });
  return {
    call: async (args) => (await client.request("greet", JSON.stringify(args), { timeout: 10_000 })).json(),
    close: () => client.close(),
  };
}
