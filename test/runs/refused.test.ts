import { expect, test } from "vitest";
import { declareArguments, defineCommand, type CommandEvent, type Logs } from "iscep";
import { Registry } from "#iscep/commands/registry";
import { Dispatcher } from "#iscep/dispatcher";
import { defaultLimits } from "#iscep/limits/limits";
import { anonymous } from "#iscep/model/identity";
import { secretValue } from "#iscep/model/secrets";

test("whatever refuses a call, the log gets no value of its secret arguments", () => {
  const events: CommandEvent[] = [];
  const logs: Logs = {
    access: () => {},
    error: () => {},
    command: (event) => {
      if ((event.status as string) !== "running") events.push(event);
    },
    close: () => Promise.resolve(),
  };
  const login = defineCommand({
    name: "login",
    args: declareArguments({ password: { type: "secret" }, user: { type: "string" } }),
    stdin: false,
    run: () => "in",
  });
  const commands = [login, { ...login, name: "other" }];
  const dispatcher = new Dispatcher({ registry: new Registry(commands), limits: defaultLimits, logs });
  const someone = { ...anonymous, mayRun: () => true };
  const nobody = { ...anonymous, mayRun: () => false };
  const source = "unix";
  const args = { password: "canary-1", user: "root" };
  const keyed = { source, idempotencyKey: "0123456789abcdef0123" };
  dispatcher.start(someone, "login", args, keyed);
  const codes = [
    dispatcher.start(nobody, "login", args, { source }),
    dispatcher.start(someone, "login", args, { source, stdin: true }),
    dispatcher.start(someone, "login", { ...args, user: 1 }, { source }),
    dispatcher.start(someone, "other", args, keyed),
    dispatcher.start(someone, "login", { ...args, user: "other" }, keyed),
  ].map(({ outcome }) => outcome?.status === "rejected" && outcome.error.code);
  expect(codes).toEqual(["command_not_found", ...Array<string>(4).fill("invalid_arguments")]);
  expect(events).toHaveLength(6);
  for (const event of events) expect(event.args).toMatchObject({ password: secretValue });
});
