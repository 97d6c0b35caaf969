import {
  connect,
  failureOf,
  type Client,
  type Command,
  type InputOf,
  type NameOf,
  type ResultOf,
  type ScriptResult,
} from "iscep";
import * as commands from "./commands-module.js";
import { same } from "./equality.js";

type Module = typeof commands;

export async function ofAModule(client: Client<Module>): Promise<void> {
  same<
    NameOf<Module>,
    | "greet"
    | "measure"
    | "parse"
    | "backup_world"
    | "status"
    | "tables"
    | "disk"
    | "anything"
    | "users"
    | "restart"
    | "stop"
    | "add"
    | "shop"
    | "perhaps"
    | "hidden"
  >(true);
  same<InputOf<Module, "greet">, { message: string; times?: number | undefined }>(true);
  same<ResultOf<Module, "measure">, { depth: number; unit: "m" }>(true);

  const greeting = await client.call("greet", { message: "hi" });
  same<typeof greeting, string>(true);
  const measured = await client.call("measure");
  same<typeof measured, { depth: number; unit: "m" }>(true);
  await client.call("measure", {});
  const everywhere = client.all("greet", { message: "hi" });
  for await (const { outcome, value } of everywhere) {
    same<typeof value, string | undefined>(true);
    if (outcome.status === "completed") same<typeof outcome.value, string>(true);
  }
  const [first] = await client.all("measure").outcomes;
  same<NonNullable<typeof first>["value"], { depth: number; unit: "m" } | undefined>(true);
  // @ts-expect-error a call to all has no standard input
  client.all("status", {}, { stdin: "text" });
  await client.call("measure", { depth: 3 }, { timeoutMs: 5 });
  const parsed = await client.call("parse", { text: "a b" });
  same<typeof parsed, { words: string[] }>(true);
  const saved = await client.call("backup_world", { mode: "fast", files: ["a", "b"] });
  same<typeof saved, ScriptResult>(true);
  await client.call("status");
  await client.call("status", {}, { token: null });
  const tables = await client.call("tables", { database: "a" });
  same<typeof tables, { name: string; rows?: number | undefined }[]>(true);
  const disk = await client.call("disk");
  same<typeof disk.mounts, string[]>(true);
  same<typeof disk.state, "full" | "free">(true);
  same<typeof disk.used, number | undefined>(true);
  same<typeof disk.last, { day: number } | undefined>(true);
  const anything = await client.call("anything");
  same<typeof anything, unknown>(true);
  const users = await client.call("users");
  same<typeof users, string[]>(true);
  const restarted = await client.call("restart");
  same<typeof restarted, null>(true);
  // @ts-expect-error it is no ScriptResult
  same<typeof disk, ScriptResult>(true);
  const stopped = await client.call("stop");
  same<typeof stopped, null>(true);
  const sum = await client.call("add", { a: 1 });
  same<typeof sum, number>(true);
  const found = await client.call("hidden");
  same<typeof found, number>(true);

  const bought = await client.call("shop", { item: "tea" });
  same<
    typeof bought.stock,
    { readonly left: number; readonly since: string; readonly note?: string; readonly extra?: unknown }
  >(true);
  same<typeof bought.when, readonly [string]>(true);
  same<typeof bought.tags, never>(true);
  same<typeof bought.odd, never>(true);
  same<typeof bought.save, never>(true);
  // @ts-expect-error a Date is text on this side
  const since: Date = bought.stock.since;
  void since;
  const moment = await client.call("perhaps");
  same<typeof moment, string | null>(true);
  try {
    await client.call("shop", { item: "cheese" });
  } catch (error) {
    const failure = failureOf<Module, "shop">(error);
    if (failure?.reason === "sold_out") same<typeof failure.data, { left: number; back?: string | undefined }>(true);
    // @ts-expect-error there is no such reason
    if (failure?.reason === "gone") throw error;
    const none = failureOf<Module, "greet">(error);
    same<typeof none, undefined>(true);
  }

  // @ts-expect-error there is no such command
  await client.call("gret", { message: "hi" });
  // @ts-expect-error another export of the module
  await client.call("helper", {});
  // @ts-expect-error the name of the export, not of the command
  await client.call("backup", { mode: "fast" });
  // @ts-expect-error an argument is missing
  await client.call("greet", {});
  // @ts-expect-error arguments are required
  await client.call("greet");
  // @ts-expect-error of the wrong type
  await client.call("greet", { message: 5 });
  // @ts-expect-error unknown
  await client.call("greet", { message: "hi", loud: true });
  // @ts-expect-error of another command
  await client.call("measure", { message: "hi" });
  // @ts-expect-error arktype
  await client.call("parse", { text: 5 });
  // @ts-expect-error not one of the values
  await client.call("backup_world", { mode: "slow" });
  // @ts-expect-error a list of texts
  await client.call("backup_world", { mode: "fast", files: [1] });
  // @ts-expect-error a script without arguments
  await client.call("status", { now: true });
  // @ts-expect-error it takes no arguments
  await client.call("stop", { now: true });
  // @ts-expect-error the result is text
  const count: number = await client.call("greet", { message: "hi" });
  // @ts-expect-error options come after the arguments
  await client.call("measure", { timeoutMs: 5 });
  // @ts-expect-error there is no such option
  await client.call("measure", {}, { timeout: 5 });
  void count;
}

const record = { greet: commands.greet, saved: commands.backup };

export async function ofARecord(client: Client<typeof record>): Promise<void> {
  same<NameOf<typeof record>, "greet" | "backup_world">(true);
  await client.call("greet", { message: "hi", times: 2 });
  await client.call("backup_world", { mode: "full" });
  // @ts-expect-error the key of the record, not the name
  await client.call("saved", { mode: "full" });
  // @ts-expect-error not in the record
  await client.call("stop");
}

const array = [commands.greet, commands.stop];
const tuple = [commands.greet, commands.add] as const;

export async function ofArrays(fromArray: Client<typeof array>, fromTuple: Client<typeof tuple>): Promise<void> {
  await fromArray.call("greet", { message: "hi" });
  await fromArray.call("stop");
  // @ts-expect-error not in the array
  await fromArray.call("add", { a: 1 });
  const sum = await fromTuple.call("add", { a: 1, b: 2 });
  same<typeof sum, number>(true);
  // @ts-expect-error a is missing
  await fromTuple.call("add", { b: 2 });
  // @ts-expect-error not in the tuple
  await fromTuple.call("stop");
}

interface Player {
  readonly name: string;
}

export async function untyped(dynamic: Command[], name: string, player: Player): Promise<void> {
  await using client = await connect("iscep://127.0.0.1");
  const answer = await client.call("whatever", { any: "thing" });
  same<typeof answer, unknown>(true);
  await client.call(name);
  // An interface has no index signature.
  await client.call(name, player);
  await client.call(name, {}, { signal: AbortSignal.timeout(5) });
  await using other = await connect<typeof dynamic>("iscep://127.0.0.1");
  await other.call(name, { any: 1 });
  // @ts-expect-error arguments have names in any case
  await client.call(name, 5);
  // @ts-expect-error the value of a call is unknown
  const text: string = await client.call(name);
  void text;
}

export async function connected(): Promise<void> {
  await using client = await connect<Module>("iscep://127.0.0.1", { token: "t", timeoutMs: 5 });
  await client.call("add", { a: 1 });
  // @ts-expect-error there is no such command
  await client.call("sub", { a: 1 });
  // @ts-expect-error a set of commands, not a single one
  await connect<typeof commands.greet>("iscep://127.0.0.1").then((wrong) => wrong.call("greet", { message: "hi" }));
}
