/** The command line has no limits of its own to raise, so it takes what its server was configured to send. */
import { expect, test } from "vitest";
import { defaultLimits } from "#iscep/limits/limits";
import { startServer, tokens } from "../support/servers.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { iscep } from "../support/iscep.js";

test("a value beyond the usual limit comes from a server with a higher one", async () => {
  const { maxPacketBytes } = defaultLimits;
  const server = await startServer({ limits: { maxPacketBytes: 2 * maxPacketBytes } });
  const environment = { ISCEP_URL: server.url, ISCEP_TOKEN: tokens.alice };
  const words = ["call", "big", "--n", String(maxPacketBytes), "--timeout", "10s"];
  const { code, stdout, stderr } = await iscep(words, { folder: temporaryFolder(), environment });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout.length).toBe(maxPacketBytes + 1);
});
