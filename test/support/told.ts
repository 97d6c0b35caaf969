/** What each door tells of the end of a run: to its caller, to who follows the run, and to who asks for it later. */
import { constants } from "node:os";
import { connect as connectNats, headers, type NatsConnection } from "@nats-io/transport-node";
import { connect, type Client, type Limits, type Outcome } from "iscep";
import { natsProof } from "iscep/nats";
import { errorTable, isErrorCode } from "#iscep/errors";
import { isScriptResult } from "#iscep/model/script-result";
import { ended, startIscep, type Ended } from "./iscep.js";
import { temporaryFolder } from "./temporary-folder.js";

export const facts = [
  "status",
  "code",
  "message",
  "exitCode",
  "signal",
  "truncated",
  "masked",
  "value",
  "process",
] as const;
/** `process` is the exit code of the command line. */
export type Fact = (typeof facts)[number];

/** The facts that were told. null: there is none, such as no error code of a run that completed. A fact without a key was not told. */
export type Told = Partial<Record<Fact, unknown>> & { readonly run?: string };

/** A call that was made. */
export interface Made {
  readonly told: Promise<Told>;
  /** The caller does not want the run any more. undefined: this door has no word for it. */
  readonly leave?: () => void;
}

export interface Teller {
  call?(command: string, args: object): Made;
  /** Resolves when the follower is one, as far as the door gives a sign of it. */
  follow?(run: string): Promise<{ readonly told: Promise<Told> }>;
  ask?(run: string): Promise<Told>;
  /** Stops the run for all. */
  cancel?(run: string): Promise<unknown>;
}

/** Where a server is. */
export interface Places {
  readonly url: string;
  readonly origin: string;
  readonly broker: string;
  readonly service: string;
  readonly token: string;
  /** Takes what must be closed when the server ends. */
  later(step: () => unknown): void;
}

type Fields = Readonly<Record<string, unknown>>;

function toldIn(fields: Fields, run?: unknown): Told {
  const { status, code, message, exitCode, signal, truncated, masked, value } = fields;
  const all = { status, code, message, exitCode, signal, truncated, masked, value };
  return {
    ...(JSON.parse(JSON.stringify(all, (_, each: unknown) => (each === undefined ? null : each))) as Told),
    ...(typeof run === "string" ? { run } : {}),
  };
}

export function toldBy(outcome: Outcome, run?: string): Told {
  const error = "error" in outcome ? outcome.error : undefined;
  const told = toldIn({ ...outcome, code: error?.code, message: error?.message }, run);
  // It was kept for a while, or not at all, and that is what is told of it.
  if ("valueError" in outcome && outcome.valueError?.code === "value_gone") delete told.value;
  return told;
}

/** What the exit code of a process must be. */
export function processOf({ status, code, exitCode, signal }: Told): number | undefined {
  if (status === "completed") return Number(exitCode ?? 0);
  const ofCode = isErrorCode(String(code)) ? errorTable[code as keyof typeof errorTable].exitCode : undefined;
  if (typeof exitCode === "number") return exitCode || ofCode;
  return typeof signal === "string" ? 128 + (constants.signals as Record<string, number>)[signal]! : ofCode;
}

/** Any client tells its callers all facts. */
export function clientTeller(client: Client): Teller {
  return {
    call(command, args) {
      const handle = client.run(command, args);
      const run = handle.id.catch(() => undefined);
      return { told: handle.outcome.then(async (outcome) => toldBy(outcome, await run)), leave: () => handle.cancel() };
    },
    async follow(run) {
      const handle = client.attach(run);
      await handle.id;
      return { told: handle.outcome.then((outcome) => toldBy(outcome, run)) };
    },
    ask: async (run) => toldBy(await client.attach(run, { output: false }).outcome, run),
    cancel: (run) => client.cancel(run),
  };
}

export async function version2Teller(places: Places): Promise<Teller> {
  return clientTeller(await opened(places, places.url, 2));
}

/** A session with the instances of a service. */
export async function natsTeller(places: Places): Promise<Teller> {
  // The broker may stand still on a busy machine. Only a server that is killed is gone.
  const patience = places.service === "here" ? { natsGoneMs: 60_000 } : {};
  return clientTeller(await opened(places, `${places.broker}/${places.service}`, undefined, patience));
}

async function opened(
  { token, later }: Places,
  url: string,
  protocol?: 1 | 2,
  patience: Partial<Limits> = {},
): Promise<Client> {
  // The server that ends a run also tells how. No client gives a call up because the machine is busy.
  const limits = { answerGraceMs: 30_000, reconnectMinDelayMs: 5, reconnectMaxDelayMs: 50, ...patience };
  const client = await connect(url, { token, limits, ...(protocol === undefined ? {} : { protocol }) });
  later(() => client.close());
  return client;
}

/** It has one message for an answer: a value, or a code with a sentence. */
export async function version1Teller(places: Places): Promise<Teller> {
  const client = await opened(places, places.url, 1);
  return {
    call: (command, args) => ({
      told: client.run(command, args).outcome.then((outcome): Told => {
        const { code, message, value } = toldBy(outcome);
        if (!isScriptResult(value)) return { code, message, value };
        return { exitCode: value.exitCode, signal: value.signal, value };
      }),
    }),
  };
}

export function httpTeller({ origin, token }: Places): Teller {
  const ask = async (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(origin + path, {
      ...init,
      headers: { "content-type": "application/json", authorization: `Bearer ${token}`, connection: "close" },
    });
  return {
    call: (command, args) => {
      const answer = ask(`/commands/${command}`, { method: "POST", body: JSON.stringify(args) });
      return { told: answer.then(async (response) => toldInAnswer((await response.json()) as Fields)) };
    },
    async follow(run) {
      const response = await ask(`/runs/${run}/events`);
      const end = async (): Promise<Told> => {
        const data = /^event: end\n(?:id: .*\n)?data: ([^\n]*)$/m.exec(await response.text())?.[1];
        return toldInView(JSON.parse(data ?? "{}") as Fields);
      };
      return { told: end() };
    },
    ask: async (run) => toldInView((await (await ask(`/runs/${run}`)).json()) as Fields),
    cancel: (run) => ask(`/runs/${run}`, { method: "DELETE" }),
  };
}

/** The body of `POST /commands/NAME`. */
function toldInAnswer(body: Fields): Told {
  if (typeof body["type"] !== "string") return toldIn(body, body["run"]);
  const { code, detail: message, run, outcome } = body;
  // A call that was refused has no outcome.
  return toldIn({ status: "rejected", ...(outcome as Fields | undefined), code, message }, run);
}

function toldInView(view: Fields): Told {
  const { code, message } = (view["error"] ?? {}) as Fields;
  const told = toldIn({ ...view, code, message }, view["run"]);
  if ((view["valueError"] as Fields | undefined)?.["code"] === "value_gone") delete told.value;
  return told;
}

/** Single requests, of which each proves its token. */
export async function requestTeller({ broker, service, token, later }: Places): Promise<Teller> {
  const caller: NatsConnection = await connectNats({ servers: broker });
  later(() => caller.close());
  return {
    call: (command, args) => {
      const payload = JSON.stringify(args);
      const made = headers();
      made.set("Iscep-Proof", natsProof({ token, service, command, payload }));
      const subject = `iscep.${service}.call.${command}`;
      const answer = caller.request(subject, payload, { timeout: 50_000, headers: made });
      return { told: answer.then((message) => toldInAnswer(message.json<Fields>())) };
    },
  };
}

interface McpAnswer {
  readonly code?: string;
  readonly error?: { readonly data?: { readonly code?: string } };
  readonly result?: {
    readonly isError?: boolean;
    readonly content?: readonly { readonly text?: string }[];
    readonly _meta?: Fields;
  };
}

/** Its status and its run are for programs; the rest of the facts is in a sentence for a model. */
export function mcpTeller({ origin, token }: Places): Teller {
  const tool = async (name: string, args: object): Promise<Told> => {
    const response = await fetch(`${origin}/mcp`, {
      method: "POST",
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: args } }),
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        connection: "close",
        authorization: `Bearer ${token}`,
      },
    });
    const text = await response.text();
    const { error, result } = JSON.parse(/^data: ([^\n]*)$/m.exec(text)?.[1] ?? text) as McpAnswer;
    if (error !== undefined) return { status: "rejected", code: error.data?.code ?? null };
    const meta = result?._meta ?? {};
    const words = result?.content?.map((each) => each.text ?? "").join("\n") ?? "";
    const told = {
      status: meta["iscep/status"] ?? "rejected",
      ...(typeof meta["iscep/run"] === "string" ? { run: meta["iscep/run"] } : {}),
    };
    if (result?.isError !== true) return { ...told, code: null, signal: null };
    const [, code = null, exitCode = null, signal = null] =
      /\((\w+)(?:, exit code (\d+))?(?:, (SIG\w+))?\)\. /.exec(words) ?? [];
    return { ...told, code, signal, exitCode: exitCode === null ? null : Number(exitCode) };
  };
  return {
    call: (command, args) => ({ told: tool(command, args) }),
    // Nothing tells when it follows.
    follow: async (run) => ({ told: tool("run_wait", { run }) }),
    ask: (run) => tool("run_wait", { run }),
    cancel: (run) => tool("run_cancel", { run }),
  };
}

export function commandLineTeller({ url, token }: Places): Teller & { show(run: string): Promise<Told> } {
  const options = { folder: temporaryFolder(), environment: { ISCEP_URL: url, ISCEP_TOKEN: token } };
  const start = (...words: string[]) => {
    const child = startIscep(words, options);
    child.stdin.end();
    return { child, end: ended(child) };
  };
  const process = async (end: Promise<Ended>): Promise<Told> => ({ process: (await end).code });
  return {
    call: (command, args) => {
      const { child, end } = start("call", "--no-stdin", "--args", JSON.stringify(args), command);
      return { told: process(end), leave: () => child.kill("SIGINT") };
    },
    // Nothing tells when it follows: a run that prints nothing shows nothing.
    follow: async (run) => ({ told: process(start("runs", "attach", run).end) }),
    ask: (run) => process(start("runs", "attach", run).end),
    cancel: (run) => start("runs", "cancel", run).end,
    show: async (run) => toldOfRecord(JSON.parse((await start("runs", "show", "--json", run).end).stdout) as Fields),
  };
}

/** A line of the commands log, or of the list of runs. */
export function toldOfRecord(record: object): Told {
  const { message: _message, value: _value, ...told } = toldIn(record as Fields);
  return told;
}
