/** Links in memory, over a broker that does what brokers do on bad days: it delays, drops, repeats and reorders messages. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { firstWindowBytes, Link, type LinkCarrier } from "#iscep/nats/links/link";
import { bytesMessage, creditMessage, endMessage, readLinkMessage } from "#iscep/nats/links/message";
import { LinkWindows } from "#iscep/nats/links/windows";

const limits = { natsLinkWindowBytes: 64 * 1024, natsMessageBytes: 8 * 1024 };

interface Wire {
  readonly link: Link;
  /** What the link has sent, and what has not come to the other side. */
  readonly queue: Buffer[];
  hasRoom: boolean;
  maxMessageBytes: number;
  hasEnded: boolean;
}

function wire(windows = new LinkWindows(1024 * 1024)): Wire {
  const state = { queue: [] as Buffer[], hasRoom: true, maxMessageBytes: 1024 * 1024, hasEnded: false };
  const carrier: LinkCarrier = {
    session: "iscep.world.session.AAAAAAAAAAAA",
    get maxMessageBytes() {
      return state.maxMessageBytes;
    },
    get hasRoom() {
      return state.hasRoom;
    },
    send: (message) => void state.queue.push(Buffer.from(message)),
    farewell: (message) => void state.queue.push(Buffer.from(message)),
    ended: () => (state.hasEnded = true),
  };
  return Object.assign(state, { link: new Link(carrier, windows, limits) });
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function bytesIn(queue: readonly Buffer[]): number {
  let sum = 0;
  for (const message of queue) {
    const read = readLinkMessage(message);
    if (read.kind === "bytes") sum += read.bytes.length;
  }
  return sum;
}

type Step =
  | { readonly kind: "write"; readonly bytes: number }
  | { readonly kind: "pause" | "resume" | "full" | "room" | "end" }
  | { readonly kind: "small"; readonly bytes: number }
  | { readonly kind: "deliver"; readonly count: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("write" as const), bytes: fc.nat({ max: 40_000 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("pause", "resume", "full", "room") }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("small" as const), bytes: fc.integer({ min: 300, max: 4_000 }) }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("deliver" as const), count: fc.integer({ min: 1, max: 9 }) }) },
);

/** 251 is prime to all sizes of pieces here, so each place can be told from its neighbours. */
const all = Buffer.from(Array.from({ length: 2_000_000 }, (_, index) => (index * 31 + (index >> 8)) % 251));

function pattern(from: number, length: number): Buffer {
  return all.subarray(from, from + length);
}

type Harm = { readonly at: number; readonly how: "drop" | "repeat" | "swap" | "cut" };

/** Runs the steps from one side to the other. Harms count the messages of both directions. */
async function play(steps: readonly Step[], harms: readonly Harm[] = []) {
  const [near, far] = [wire(), wire()];
  let [written, received, mostOnTheWay] = [0, 0, 0];
  let wrong = false;
  let hasEnded = false;
  let delivered = 0;
  far.link.on("data", (chunk: Buffer) => {
    wrong ||= !chunk.equals(pattern(received, chunk.length));
    received += chunk.length;
  });
  far.link.on("end", () => (hasEnded = true));
  const deliver = (from: Wire, to: Wire): boolean => {
    const message = from.queue.shift();
    if (message === undefined) return false;
    const harm = harms.find(({ at }) => at === delivered++)?.how;
    const next = harm === "swap" ? from.queue.shift() : undefined;
    if (next !== undefined) to.link.receive(next);
    if (harm !== "drop") to.link.receive(harm === "cut" ? message.subarray(0, message.length - 1) : message);
    if (harm === "repeat") to.link.receive(message);
    return true;
  };
  for (const each of steps) {
    if (each.kind === "write") {
      near.link.write(pattern(written, each.bytes));
      written += each.bytes;
    } else if (each.kind === "pause") far.link.pause();
    else if (each.kind === "resume") far.link.resume();
    else if (each.kind === "small") near.maxMessageBytes = each.bytes;
    else if (each.kind === "full") near.hasRoom = false;
    else if (each.kind === "room") {
      near.hasRoom = true;
      near.link.proceed();
    } else if (each.kind === "deliver") {
      for (let count = 0; count < each.count; count++) if (!deliver(near, far)) deliver(far, near);
    }
    mostOnTheWay = Math.max(mostOnTheWay, bytesIn(near.queue) + far.link.readableLength);
    await turn();
  }
  near.link.end();
  near.hasRoom = true;
  near.link.proceed();
  far.link.resume();
  for (let quiet = 0; quiet < 3;) {
    mostOnTheWay = Math.max(mostOnTheWay, bytesIn(near.queue) + far.link.readableLength);
    quiet++;
    while (deliver(near, far) || deliver(far, near)) quiet = 0;
    await turn();
  }
  const broken = near.link.destroyed || far.link.destroyed;
  near.link.destroy();
  far.link.destroy();
  return { written, received, wrong, hasEnded, broken, mostOnTheWay, near, far };
}

describe("a link", () => {
  test("brings all bytes in their order, and never has more than its window on the way, however it is delayed", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const told = await play(steps);
        expect(told).toMatchObject({ received: told.written, wrong: false, hasEnded: true, broken: false });
        expect(told.mostOnTheWay).toBeLessThanOrEqual(limits.natsLinkWindowBytes);
        expect(told.near.hasEnded && told.far.hasEnded).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  test("breaks when a message is lost, repeated, cut, or comes in another order, and gives nothing that was not sent", async () => {
    const harm = fc.record({
      at: fc.nat({ max: 40 }),
      how: fc.constantFrom("drop", "repeat", "swap", "cut"),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 40 }),
        fc.array(harm, { minLength: 1, maxLength: 3 }),
        async (steps, harms) => {
          const told = await play(steps, harms);
          expect(told.wrong).toBe(false);
          expect(told.received).toBeLessThanOrEqual(told.written);
          // It may end well only when all has come: credits may be lost without harm.
          if (told.hasEnded) expect(told.received).toBe(told.written);
        },
      ),
      { numRuns: 200 },
    );
  });

  test("gives back what it had granted, and windows grow only for those who use them", async () => {
    const windows = new LinkWindows(100_000);
    const { link, queue } = wire(windows);
    link.resume();
    let offset = 0;
    for (let count = 0; count < 40; count++) {
      const message = bytesMessage(offset, 8_000);
      link.receive(message);
      offset += 8_000;
      // The data is read in one turn, and the credit goes in the next.
      await turn();
      await turn();
    }
    const granted = queue.map((message) => readLinkMessage(message)).findLast(({ kind }) => kind === "credit");
    expect(granted).toMatchObject({ kind: "credit", window: limits.natsLinkWindowBytes });
    expect(windows.take(100_000)).toBe(false);
    const quiet = wire(windows);
    quiet.link.greet();
    expect(readLinkMessage(quiet.queue[0] ?? Buffer.alloc(0))).toMatchObject({ window: firstWindowBytes });
    link.destroy();
    await turn();
    expect(windows.take(100_000)).toBe(true);
    quiet.link.destroy();
  });

  test.each<[string, Buffer, RegExp]>([
    ["more than was granted", bytesMessage(0, firstWindowBytes + 1), /had granted 16384/],
    ["bytes from the middle", bytesMessage(5, 10), /bytes from 0 on were expected/],
    ["an end that is too early or too late", endMessage(1), /bytes from 0 on were expected/],
    ["credit for what was not sent", creditMessage(1, 1_000), /cannot be consumed/],
    ["a message of no kind", Buffer.from([9, 0, 0, 0, 0, 0, 0]), /kind 9/],
    ["half a message", Buffer.from([0, 0]), /too short/],
    ["no bytes", bytesMessage(0, 0), /no bytes/],
  ])("breaks at %s, and says why to the other side", async (_, message, why) => {
    const { link, queue } = wire();
    const errors: Error[] = [];
    link.on("error", (error: Error) => errors.push(error));
    link.receive(message);
    await turn();
    expect(errors.map((error) => error.message)).toEqual([expect.stringMatching(why)]);
    const said = readLinkMessage(queue.at(-1) ?? Buffer.alloc(0));
    expect(said).toEqual({ kind: "break", reason: errors[0]?.message });
  });

  test("hears of the other side's break, and does not answer it", async () => {
    const [near, far] = [wire(), wire()];
    const errors: Error[] = [];
    far.link.on("error", (error: Error) => errors.push(error));
    near.link.destroy();
    await turn();
    for (const message of near.queue) far.link.receive(message);
    await turn();
    expect(errors[0]?.message).toMatch(/broke the link: it was closed/);
    expect(far.queue).toEqual([]);
  });

  test("a peer that claims the largest window gets no more than ours on its way", async () => {
    const { link, queue } = wire();
    link.receive(creditMessage(0, 2 ** 32 - 1));
    link.write(Buffer.alloc(1_000_000));
    await turn();
    expect(bytesIn(queue)).toBe(limits.natsLinkWindowBytes);
    link.destroy();
  });
});
