import { expect, test } from "vitest";
import { defineCommand } from "iscep";
import { watchForLeaks } from "../../support/leaks.js";
import { startServer } from "../../support/servers.js";

watchForLeaks();

/** So that the test ends when nobody gets a turn. The time of all these writes is seconds. */
const mostWrites = 2_000_000;

const pieces = { large: Buffer.alloc(64 * 1024, "a"), small: "a line\n", empty: "" } as const;

type Size = keyof typeof pieces;

test.each(Object.keys(pieces) as Size[])(
  "a command that awaits each write of its endless output (%s) holds up nobody, whether it is read or not",
  async (size) => {
    let writes = 0;
    let heardOfStop = false;
    const flood = defineCommand({
      name: "flood",
      run: async (_args, { output, signal }) => {
        for (writes = 0; writes < mostWrites && !signal.aborted; writes++) await output.write("stdout", pieces[size]);
        heardOfStop = signal.aborted;
      },
    });
    const server = await startServer({ commands: [flood, defineCommand({ name: "answer", run: () => 42 })] });
    const client = await server.client({ protocol: 2 });
    const other = await server.client({ protocol: 2 });

    const unread = client.run("flood", {}, { output: false });
    await unread.id;
    expect(await other.call("answer")).toBe(42);
    unread.cancel();
    expect(await unread.outcome).toMatchObject({ status: "cancelled" });
    expect(heardOfStop).toBe(true);

    const left = client.run("flood");
    if (size === "empty") await left.id;
    else for await (const _ of left.output) break;
    expect(await other.call("answer")).toBe(42);
    left.cancel();
    expect(await left.outcome).toMatchObject({ status: "cancelled" });
    expect(heardOfStop).toBe(true);
  },
);
