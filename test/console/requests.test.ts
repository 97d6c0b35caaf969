/** How long the console waits for answers. */
import { createServer, type AddressInfo, type Server as TcpServer } from "node:net";
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  cancelRun,
  fetchCommands,
  fetchRun,
  fetchRuns,
  fetchSchedules,
  fetchSession,
  signIn,
  signOut,
} from "../../console/src/api/calls.js";
import { cleanUp, later } from "../support/cleanup.js";

beforeEach(async () => {
  const { fetch } = globalThis;
  later(() => {
    globalThis.fetch = fetch;
  });
  const server: TcpServer = createServer((socket) => {
    socket.resume().on("error", () => {});
    later(() => socket.destroy());
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  later(() => server.close());
  const { port } = server.address() as AddressInfo;
  globalThis.fetch = (path, options) => fetch(`http://127.0.0.1:${port}${path as string}`, options);
});
afterEach(cleanUp);

describe("a server that takes requests and never answers", () => {
  test.each([
    ["the session", fetchSession],
    ["the commands", fetchCommands],
    ["the runs", () => fetchRuns({})],
    ["a run", () => fetchRun("a")],
    ["the schedules", fetchSchedules],
    ["a cancel", () => cancelRun("a")],
    ["a sign-in", () => signIn("isct_a")],
    ["a sign-out", signOut],
  ] satisfies [string, () => Promise<unknown>][])("is given up by a request for %s", async (_, ask) => {
    const { timeout } = AbortSignal;
    later(() => {
      AbortSignal.timeout = timeout;
    });
    // The clock goes a hundred times as fast.
    AbortSignal.timeout = (ms) => timeout(ms / 100);
    await expect(ask()).rejects.toMatchObject({ isUnreachable: true });
  });
});
