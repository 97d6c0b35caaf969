// What each peer must do. Every answer is checked. A figure is a number a second, of calls or pieces; `count` is how many
// there were in all, with those of the warm-up.
const args = { message: "hello", numb: 1 };

function check(answer) {
  if (answer.message !== "hello" || answer.numb !== 1) throw new Error("a wrong answer");
}

/** Calls `inFlight` at a time on each connection for `ms`, after a warm-up of half of that. */
async function callsPerSecond(peer, place, ms, connections, inFlight, call) {
  const clients = await Promise.all(Array.from({ length: connections }, () => peer.connect(place)));
  let count = 0;
  const round = async (duration) => {
    let calls = 0;
    const started = performance.now();
    const until = started + duration;
    const caller = async (client) => {
      while (performance.now() < until) {
        await call(client);
        calls++;
      }
    };
    await Promise.all(clients.flatMap((client) => Array.from({ length: inFlight }, () => caller(client))));
    count += calls;
    return calls / ((performance.now() - started) / 1000);
  };
  await round(ms / 2);
  const figure = await round(ms);
  await Promise.all(clients.map((client) => client.close()));
  return { figure, count };
}

const small = async (client) => check(await client.call(args));
const large = { message: "x".repeat(2 ** 20), numb: 1 };

async function echo(client) {
  const { message } = await client.call(large);
  if (message.length !== large.message.length) throw new Error("a wrong answer");
}

async function outputPerSecond(peer, place, ms, pieceBytes) {
  const client = await peer.connect(place);
  let pieces = Math.ceil(2 ** 20 / pieceBytes);
  await client.output(pieces, pieceBytes);
  let count = pieces;
  for (;;) {
    const started = performance.now();
    await client.output(pieces, pieceBytes);
    count += pieces;
    const took = performance.now() - started;
    if (took >= ms / 2 || pieces * pieceBytes >= 2 ** 29) {
      await client.close();
      return { figure: pieces / (took / 1000), count };
    }
    pieces = Math.ceil(pieces * Math.min(8, Math.max(2, ms / took)));
  }
}

export const workloads = {
  pipe256: {
    title: "1 connection, 256 in flight",
    measure: (peer, place, ms) => callsPerSecond(peer, place, ms, 1, 256, small),
  },
  pipe64: {
    title: "1 connection, 64 in flight",
    measure: (peer, place, ms) => callsPerSecond(peer, place, ms, 1, 64, small),
  },
  many: {
    title: "16 connections x 16",
    measure: (peer, place, ms) => callsPerSecond(peer, place, ms, 16, 16, small),
  },
  one: { title: "1 in flight", measure: (peer, place, ms) => callsPerSecond(peer, place, ms, 1, 1, small) },
  large1: {
    title: "echo of 1 MiB, 1 in flight",
    measure: (peer, place, ms) => callsPerSecond(peer, place, ms, 1, 1, echo),
  },
  large8: {
    title: "echo of 1 MiB, 8 in flight",
    measure: (peer, place, ms) => callsPerSecond(peer, place, ms, 1, 8, echo),
  },
  connect: {
    title: "connect, call, close",
    async measure(peer, place, ms) {
      let count = 0;
      const started = performance.now();
      while (performance.now() - started < 2 * ms) {
        const client = await peer.connect(place);
        await small(client);
        await client.close();
        count++;
      }
      return { figure: count / ((performance.now() - started) / 1000), count };
    },
  },
  pieces: { title: "output, pieces of 100 bytes", measure: (peer, place, ms) => outputPerSecond(peer, place, ms, 100) },
  bulk: { title: "output, pieces of 64 KiB", measure: (peer, place, ms) => outputPerSecond(peer, place, ms, 65_536) },
};
