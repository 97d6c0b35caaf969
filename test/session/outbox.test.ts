import { describe, expect, it } from "vitest";
import { Outbox } from "#iscep/session/outbox";
import { hashBytes, headerBytes } from "#iscep/wire/packet";

const message = "x".repeat(100);

/** How many characters of messages are in each packet that leaves before the turn ends, and in the last one. */
function packetsOfTurn(outbox: Outbox, messages: number): number[] {
  const sizes: number[] = [];
  const take = (): void => {
    const packet = outbox.takePacket();
    if (packet !== undefined) sizes.push(packet.length - headerBytes - hashBytes - 2);
  };
  for (let sent = 0; sent < messages; sent++) if (outbox.add(message)) take();
  take();
  return sizes;
}

describe("messages of one turn", () => {
  it("leave in packets that grow, so that the peer begins early and few writes are made", () => {
    const outbox = new Outbox({ flushBytes: 1_000, maxPacketBytes: 2 ** 22 });
    const [first = 0, second = 0, third = 0, ...more] = packetsOfTurn(outbox, 1_000);
    expect(first).toBeLessThan(1_200);
    expect(second).toBeGreaterThanOrEqual(2_000);
    expect(third).toBeGreaterThanOrEqual(4_000);
    expect(Math.max(...more)).toBeLessThan(16 * 1024 + 200);
  });

  it("leave early again in the next turn, also when the last one ended with a full packet", () => {
    const outbox = new Outbox({ flushBytes: 1_000, maxPacketBytes: 2 ** 22 });
    for (const messages of [1_000, 10, 30, 0, 10]) packetsOfTurn(outbox, messages);
    expect(packetsOfTurn(outbox, 1_000)[0]).toBeLessThan(1_200);
  });

  it("never grow beyond an eighth of what the peer accepts in a packet", () => {
    const outbox = new Outbox({ flushBytes: 1_000, maxPacketBytes: 20_000 });
    expect(Math.max(...packetsOfTurn(outbox, 1_000))).toBeLessThan(2_700);
    const tight = new Outbox({ flushBytes: 1_000, maxPacketBytes: 3_000 });
    expect(Math.max(...packetsOfTurn(tight, 1_000))).toBeLessThan(1_200);
  });
});
