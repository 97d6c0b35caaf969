/** Where no tracer provider is registered: nothing is loaded, and what a caller says still reaches scripts. */
import { execFileSync } from "node:child_process";
import { defineCommand, defineScript } from "iscep";
import fc from "fast-check";
import { expect, test } from "vitest";
import { beginRunTrace } from "#iscep/traces/run-trace";
import { readTraceparent, writeTraceparent } from "#iscep/traces/traceparent";
import { watchForLeaks } from "../support/leaks.js";
import { startServer } from "../support/servers.js";
import { place } from "./modules/place.mjs";

watchForLeaks();

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const commands = [
  defineScript({ name: "say", run: ["/bin/sh", "-c", "echo $TRACEPARENT"] }),
  defineCommand({ name: "look", run: (_, { traceparent }) => traceparent ?? "none" }),
];

test("a script and a function get the caller's traceparent, and one that is none is ignored", async () => {
  const { client } = await startServer({ commands });
  const caller = await client();
  for (const [traceparent, seen] of [
    [parent, parent],
    ["00-zz", ""],
    ["", ""],
    [`${parent}-more`, ""],
    [`${parent}\nX=1`, ""],
  ] as const) {
    expect(await caller.call("say", undefined, { traceparent })).toMatchObject({ stdout: `${seen}\n` });
    expect(await caller.call("look", undefined, { traceparent })).toBe(seen || "none");
  }
  expect(await caller.call("look")).toBe("none");
});

test("only what was understood is passed on: the rest of a later version could be any text in an environment", async () => {
  const { client } = await startServer({ commands: [...commands, place] });
  const caller = await client();
  const later = `cc-${parent.slice(3)}-$(touch /tmp/x);\u202e`;
  expect(await caller.call("say", undefined, { traceparent: later })).toMatchObject({ stdout: `${parent}\n` });
  for (const name of ["look", "place"] as const)
    expect(await caller.call(name, undefined, { traceparent: later })).toBe(parent);
});

test("whatever a caller sends, what is passed on has the form of version 00, or is nothing", () => {
  const run = { id: "1", command: "look", identity: { owner: "ada" } };
  const parts = [
    fc.stringMatching(/^[0-9a-f]{2}$/),
    fc.stringMatching(/^[0-9a-f]{32}$/),
    fc.stringMatching(/^[0-9a-f]{16}$/),
  ];
  const near = fc
    .tuple(
      ...parts,
      fc.stringMatching(/^[0-9a-f]{2}$/),
      fc.oneof(
        fc.constant(""),
        fc.string().map((text) => `-${text}`),
      ),
    )
    .map(([version, trace, span, flags, more]) => `${version}-${trace}-${span}-${flags}${more}`);
  let passed = 0;
  fc.assert(
    fc.property(fc.oneof({ weight: 4, arbitrary: near }, fc.string()), (text) => {
      const told = beginRunTrace(run, text)?.traceparent;
      if (told === undefined) return;
      passed++;
      expect(told).toBe(`00${text.slice(2, 55)}`);
      expect(told).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/);
    }),
  );
  expect(passed).toBeGreaterThan(0);
});

test("a function in a thread gets it too", async () => {
  const { client } = await startServer({ commands: [place] });
  expect(await (await client()).call("place", undefined, { traceparent: parent })).toBe(parent);
});

test("@opentelemetry/api is not loaded, although it is there", () => {
  const program = `
    import { createRequire } from "node:module";
    import { connect, defineCommand, Server } from "iscep";
    const server = new Server({ commands: [defineCommand({ name: "a", run: () => 1 })], port: 0, tls: false });
    const { url } = await server.listen();
    const client = await connect(url);
    await client.call("a");
    await client.close();
    await server.close();
    const loaded = Object.keys(createRequire(import.meta.url).cache).filter((file) => file.includes("opentelemetry"));
    console.log(JSON.stringify(loaded));
  `;
  expect(execFileSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8" })).toBe("[]\n");
});

test("what is written is read again, and a text that is none is nothing", () => {
  const hex = (length: number) =>
    fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`)).filter((text) => !/^0+$/.test(text));
  fc.assert(
    fc.property(hex(32), hex(16), fc.nat(255), (traceId, spanId, traceFlags) => {
      expect(readTraceparent(writeTraceparent({ traceId, spanId, traceFlags }))).toEqual({
        traceId,
        spanId,
        traceFlags,
      });
    }),
  );
  fc.assert(fc.property(fc.string(), (text) => readTraceparent(text) === undefined));
  // A later version may have more behind it, and 00 and ff may not.
  expect(readTraceparent(`cc-${parent.slice(3)}-more`)).toBeDefined();
  for (const wrong of [`ff-${parent.slice(3)}`, parent.toUpperCase(), parent.replace(/b7.*-/, "0000000000000000-")])
    expect(readTraceparent(wrong)).toBeUndefined();
});
