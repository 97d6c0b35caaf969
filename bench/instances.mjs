// How one client spreads calls over the instances of a service.
import { connect, defineCommand, Server } from "iscep";
import { natsDoor } from "iscep/nats";
import { withPeers } from "./peers.mjs";
import { compare } from "./report.mjs";

const service = "sleepers";

/** An instance whose command sleeps: so many at once, for so long. */
export async function sleepingInstance({ url, tokens, sleepMs, places }) {
  const sleep = defineCommand({
    name: "sleep",
    run: async () => {
      await new Promise((resolve) => setTimeout(resolve, sleepMs));
    },
  });
  const doors = [natsDoor({ url, name: service })];
  await new Server({ commands: [sleep], listen: [], tokens, doors, limits: { maxRuns: places } }).listen();
  return {};
}

/**
 * Calls for so long, with so many callers, after some time in which clients and instances get to know each other. With
 * `dedicated`, each instance has callers of its own, so all its places are always taken: no split is better.
 */
export async function callsOfSleepers({ url, token, callers, ms, dedicated = false }) {
  const client = await connect(`${url}/${service}`, { token });
  const instances = dedicated ? (await client.instances()).map(({ instance }) => instance) : ["any"];
  const round = async (duration) => {
    const startedMs = performance.now();
    let calls = 0;
    const caller = async (_, index) => {
      const to = instances[index % instances.length];
      while (performance.now() - startedMs < duration) {
        await client.call("sleep", {}, { to });
        calls++;
      }
    };
    await Promise.all(Array.from({ length: callers }, caller));
    return calls / ((performance.now() - startedMs) / 1000);
  };
  await round(ms / 4);
  const perSecond = await round(ms);
  await client.close();
  return { perSecond };
}

export async function measureInstances({ url, rounds, ms, token, tokens }) {
  const measure = (instances, more = {}) =>
    withPeers(instances.length + 1, async (client, ...peers) => {
      const options = (index) => ({ url, tokens, ...instances[index] });
      await Promise.all(peers.map((peer, index) => peer.ask({ role: "nats-sleeper", options: options(index) })));
      return client.ask({ role: "nats-sleeper-calls", options: { url, token, callers: 18, ms, ...more } });
    });
  const figures = (promise) => [{ key: "perSecond", what: "calls", unit: "/s", promise }];
  const unequal = [10, 20, 40].map((sleepMs) => ({ sleepMs, places: 4 }));
  await compare({
    title: "three instances of unequal speed (4 calls at once, for 10, 20 and 40 ms), against the best split",
    rounds,
    names: ["best", "iscep"],
    bare: () => measure(unequal, { dedicated: true }),
    iscep: () => measure(unequal),
    figures: figures(0.85),
  });
  const each = { sleepMs: 20, places: 4 };
  await compare({
    title: "three instances against one (4 calls at once, for 20 ms)",
    rounds,
    names: ["one", "three"],
    bare: () => measure([each]),
    iscep: () => measure([each, each, each]),
    figures: figures(2.2),
  });
}
