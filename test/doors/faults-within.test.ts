/** A fault in the server's own code, which this test makes, ends the one connection that met it. */
import { expect, test } from "vitest";
import { connect, defineCommand, Server, type Client } from "iscep";
import type { ErrorEvent } from "#iscep/model/logs";
import { Dispatcher } from "#iscep/dispatcher";
import { silentLogs } from "#iscep/logs/combine";
import { later } from "../support/cleanup.js";
import { errorOf } from "../support/error-of.js";
import { watchForLeaks } from "../support/leaks.js";
import { until } from "../support/until.js";

watchForLeaks();

test("a caller of version 1 whose call meets a fault loses its connection, and no other does", async () => {
  const errors: ErrorEvent[] = [];
  const { start } = Dispatcher.prototype;
  Dispatcher.prototype.start = function (identity, name, args, options) {
    if (name === "faulty") throw new Error("a fault");
    return start.call(this, identity, name, args, options);
  };
  later(() => {
    Dispatcher.prototype.start = start;
  });
  const server = new Server({
    port: 0,
    tls: false,
    tokens: false,
    commands: [defineCommand({ name: "good", run: () => 1 }), defineCommand({ name: "faulty", run: () => 1 })],
    logs: { ...silentLogs, error: (event) => void errors.push(event) },
  });
  later(() => server.close({ graceMs: 0 }));
  const { url } = await server.listen();
  const another = async (): Promise<Client> => {
    const client = await connect(url, { protocol: 1 });
    later(() => client.close());
    return client;
  };
  const [one, other] = [await another(), await another()];
  expect(await other.call("good")).toBe(1);
  const fault = await errorOf(one.call("faulty", {}, { timeoutMs: 50_000 }));
  expect(fault.code).toBe("lost");
  await until(() => errors.some(({ event }) => event === "internal"));
  expect(await other.call("good")).toBe(1);
  expect(await (await another()).call("good")).toBe(1);
});
