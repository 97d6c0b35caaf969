import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { decodeContent } from "#iscep/wire/version1";
import { PacketReader, PacketType } from "#iscep/wire/packet";
import { defaultLimits } from "#iscep/limits/limits";
import { vectors } from "../support/vectors.js";
import { packetDump } from "../support/packet-dump.js";

const text = readFileSync("PROTOCOL.md", "utf8");
const examples = [...text.matchAll(/^<!-- packet: (\d+) (\{.*\}) -->\n\n((?: {4}.+\n)+)/gm)].map(
  ([, type = "", content = "", dump = ""]) => ({ type: Number(type), content, dump: dump.trimEnd() }),
);

describe("PROTOCOL.md", () => {
  test("has a worked example", () => {
    expect(examples.map(({ type }) => type)).toEqual([
      PacketType.SEND_CMD,
      PacketType.CMD_RESPONSE,
      PacketType.SEND_CMD,
      PacketType.ERROR,
    ]);
  });

  test.each(examples)("shows the bytes of $content as the code makes them", ({ type, content, dump }) => {
    expect(dump).toBe(packetDump(type, content));
  });

  test.each(examples)("shows bytes that are read as $content", ({ type, content, dump }) => {
    const hex = dump.split("\n").map((line) => line.slice(4, 4 + 16 * 3 - 1).replaceAll(" ", ""));
    const reader = new PacketReader(defaultLimits.maxPacketBytes);
    reader.receive(Buffer.from(hex.join(""), "hex"));
    const packet = reader.next();
    expect(packet?.type).toBe(type);
    expect(packet && decodeContent(packet, defaultLimits)).toEqual(JSON.parse(content));
  });

  test("works out the Size of the first packet", () => {
    const [, hex, size, content] = /Size of the first one is 0x([0-9a-f]+) = (\d+) = 2 \+ (\d+) \+ 32/.exec(text) ?? [];
    const bytes = Buffer.byteLength(examples[0]?.content ?? "");
    expect([Number.parseInt(hex ?? "", 16), Number(size), Number(content)]).toEqual([bytes + 34, bytes + 34, bytes]);
  });

  test("names every type of version 1 with its number", () => {
    const rows = [...text.matchAll(/^\| (\d) \| ([A-Z_]+) \|/gm)].map(([, type, name]) => [name, Number(type)]);
    const version1 = Object.entries(PacketType).filter(([, type]) => type <= PacketType.ERROR);
    expect(rows).toEqual(version1);
  });

  test("counts the vectors", () => {
    const [, exchanges, packets] = /holds (\d+) exchanges[\s\S]*? and (\d+) packets/.exec(text) ?? [];
    expect([Number(exchanges), Number(packets)]).toEqual([vectors.exchanges.length, vectors.packets.length]);
  });

  test("says the limits that the code has", () => {
    const number = (value: number): string => value.toLocaleString("en-US");
    const facts = [
      [`Size field) | ${number(defaultLimits.maxUnauthenticatedPacketBytes)} |`],
      [`${defaultLimits.maxPacketBytes / 1024 / 1024} MiB`],
      [`over TLS (whole packet) | ${number(defaultLimits.maxVersion1TlsAnswerBytes)} bytes`],
      [`without TLS (whole packet) | ${number(defaultLimits.maxVersion1PlainAnswerBytes)} bytes`],
      [`depth (${defaultLimits.maxJsonDepth}) and number of keys (${number(defaultLimits.maxJsonKeys)})`],
      [`${defaultLimits.tlsHandshakeTimeoutMs / 1000} s without a TLS handshake`],
      [`${defaultLimits.authenticationTimeoutMs / 1000} s without a packet with a good token`],
      [
        `${defaultLimits.packetTimeoutMs / 1000} s, and ${defaultLimits.packetTimeoutPer64KiBMs / 1000} s for each 64 KiB`,
      ],
      [`${defaultLimits.idleTimeoutMs / 1000} s without a packet, a run`],
      [`${defaultLimits.writeStallTimeoutMs / 1000} s in which the peer takes nothing`],
      [`a run's timeout (${defaultLimits.runTimeoutMs / 1000} s`],
      [`(${number(defaultLimits.maxConnections)} in all, ${defaultLimits.maxConnectionsPerSource} from one address`],
    ];
    expect(facts.flat().filter((fact) => !text.includes(fact))).toEqual([]);
    expect(defaultLimits.maxFailedTokensPerConnection).toBe(6);
  });
});
