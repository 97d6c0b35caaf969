// One side of one peer, as a process of its own: `node role.mjs PEER`. It gets its orders by messages from run.mjs.
import { workloads } from "./workloads.mjs";

const peer = await import(`./${process.argv[2]}.mjs`);

const orders = {
  serve: ({ options }) => peer.server(options),
  measure: ({ workload, place, ms }) => workloads[workload].measure(peer, place, ms),
  async processor() {
    const { user, system } = process.cpuUsage();
    return { microseconds: user + system };
  },
  async open({ place, count }) {
    const clients = [];
    for (let opened = 0; opened < count; opened += 50) {
      const batch = await Promise.all(Array.from({ length: 50 }, () => peer.connect(place)));
      await Promise.all(batch.map((client) => client.call({ message: "hello", numb: 1 })));
      clients.push(...batch);
    }
    globalThis.held = [...(globalThis.held ?? []), ...clients];
    return {};
  },
  async memory() {
    for (let round = 0; round < 4; round++) globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 100));
    globalThis.gc();
    return { rss: process.memoryUsage.rss() };
  },
};

process.on("message", (message) => {
  void orders[message.order](message).then(
    (answer) => process.send(answer),
    (error) => process.send({ error: String(error?.stack ?? error) }),
  );
});
process.on("disconnect", () => process.exit());
process.send({ ready: true });
