/** The same verbs through every door, with the code and the words of each refusal as that door tells them. */
import { connect as connectNats, headers } from "@nats-io/transport-node";
import { connect, isIscepError, type Client, type Door } from "iscep";
import { httpDoor } from "iscep/http";
import { natsDoor, natsProof } from "iscep/nats";
import { later } from "./cleanup.js";
import { NatsServer, natsServerProgram } from "./nats-server.js";
import { startServer, type TestServer, type TestServerOptions } from "./servers.js";

export interface Answer {
  /** `ok`, or the code of the error. */
  readonly code: string;
  /** What a person reads; empty when all is well. */
  readonly words: string;
}

/** What a caller can ask for. Runs are named by their ids. */
export interface Verbs {
  list(): Promise<Answer>;
  call(command: string): Promise<Answer>;
  follow(run: string): Promise<Answer>;
  output(run: string): Promise<Answer>;
  look(run: string): Promise<Answer>;
  cancel(run: string): Promise<Answer>;
  runs(): Promise<Answer>;
}

export const everyVerb = ["list", "call", "follow", "output", "look", "cancel", "runs"] as const;

export interface DoorServer extends TestServer {
  readonly origin: string;
}

/** One door of the matrix. A new one is one entry of `everyDoor`. */
export interface WayIn {
  /**
   * Opens what it needs beside the server, such as a broker, and gives the doors for the server. Default: none. Ways that
   * share a door have the same function, which is called once.
   */
  readonly doors?: () => readonly Door[] | Promise<readonly Door[]>;
  /** The verbs of a caller with this token; null sends none. */
  readonly verbs: (server: DoorServer, token: string | null) => Promise<Verbs>;
  /** Those that the door has. Default: all. */
  readonly has?: readonly (typeof everyVerb)[number][];
  /** A run whose token is removed goes on, and its caller gets the value. Default: it is stopped, and the call is lost. */
  readonly outlivesToken?: boolean;
}

type Way = WayIn["verbs"];

/** So that a caller who is refused, or asks for a run that is nowhere, hears it without a wait. */
const limits = { reconnectMinDelayMs: 1, reconnectMaxDelayMs: 1 };

const isNone = (): Promise<Answer> => Promise.reject(new Error("this door has no such verb"));
const noVerbs: Omit<Verbs, "call"> = {
  list: isNone,
  follow: isNone,
  output: isNone,
  look: isNone,
  cancel: isNone,
  runs: isNone,
};

const fine: Answer = { code: "ok", words: "" };

async function answerOf(work: () => Promise<unknown>): Promise<Answer> {
  try {
    await work();
    return fine;
  } catch (error) {
    if (!isIscepError(error)) throw error;
    return { code: error.code, words: error.message };
  }
}

/** Used by doors whose callers have a client. */
export function verbsOfClient(client: Client): Verbs {
  return {
    list: () => answerOf(() => client.list()),
    call: (command) => answerOf(() => client.call(command, {})),
    follow: (run) => answerOf(() => client.attach(run).value),
    output: (run) =>
      answerOf(async () => {
        const handle = client.attach(run);
        for await (const _ of handle.output);
        await handle.value;
      }),
    look: (run) => answerOf(() => client.runs({ run })),
    cancel: (run) => answerOf(() => client.cancel(run)),
    runs: () => answerOf(() => client.runs()),
  };
}

const version2: Way = async ({ url }, token) => {
  const client = await connect(url, { protocol: 2, limits, ...(token === null ? {} : { token }) });
  later(() => client.close());
  return verbsOfClient(client);
};

const version1: Way = async ({ url }, token) => {
  const client = await connect(url, { protocol: 1, ...(token === null ? {} : { token }) });
  later(() => client.close());
  return verbsOfClient(client);
};

const inProcess: Way = async ({ server }, token) => {
  const client = server.client({ source: "127.0.0.1", token });
  later(() => client.close());
  return verbsOfClient(client);
};

const overHttp: Way = async ({ origin }, token) => {
  const ask = async (path: string, init: RequestInit = {}): Promise<Answer> => {
    const headers = {
      "content-type": "application/json",
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    };
    const response = await fetch(origin + path, { ...init, headers: { ...headers, connection: "close" } });
    const text = await response.text();
    if (response.ok) return fine;
    const { code, detail } = JSON.parse(text) as { code: string; detail: string };
    return { code, words: detail };
  };
  return {
    list: () => ask("/commands"),
    call: (command) => ask(`/commands/${command}`, { method: "POST", body: "{}" }),
    follow: (run) => ask(`/runs/${run}/events`),
    output: (run) => ask(`/runs/${run}/output`),
    look: (run) => ask(`/runs/${run}`),
    cancel: (run) => ask(`/runs/${run}`, { method: "DELETE" }),
    runs: () => ask("/runs"),
  };
};

/** One request of JSON-RPC, without the SDK, so that every refusal is seen as it is sent. */
const overMcp: Way = async ({ origin }, token) => {
  const ask = async (method: string, params: object): Promise<Answer> => {
    const response = await fetch(`${origin}/mcp`, {
      method: "POST",
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        connection: "close",
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      },
    });
    const text = await response.text();
    const told = JSON.parse(/^data: (.*)$/m.exec(text)?.[1] ?? text) as McpAnswer;
    if (told.code !== undefined) return { code: told.code, words: told.detail ?? "" };
    if (told.error !== undefined)
      return { code: told.error.data?.code ?? String(told.error.code), words: told.error.message };
    if (told.result?.isError !== true) return fine;
    // Behind the sentence and the code stands what a model can do.
    const [, words = "", code = ""] =
      /^(?:The run [^:]*: )?(.*?) \((\w+)[^)]*\)\. /s.exec(told.result.content?.[0]?.text ?? "") ?? [];
    return { code, words };
  };
  const tool = (name: string, args: object): Promise<Answer> => ask("tools/call", { name, arguments: args });
  return {
    list: () => ask("tools/list", {}),
    call: (command) => tool(command, {}),
    follow: (run) => tool("run_wait", { run }),
    output: (run) => tool("run_output", { run }),
    look: (run) => tool("run_output", { run, part: "value" }),
    cancel: (run) => tool("run_cancel", { run }),
    runs: () => tool("run_list", {}),
  };
};

const openHttp = (): readonly Door[] => [httpDoor()];

/** A session over a link to this one instance. */
const overNats: WayIn = {
  doors: async () => {
    const nats = await NatsServer.start();
    return [natsDoor({ url: nats.url, name: "matrix" })];
  },
  verbs: async ({ doorUrls }, token) => {
    const url = doorUrls.find((each) => each.endsWith("/matrix")) ?? "";
    const client = await connect(url, { limits, ...(token === null ? {} : { token }) });
    later(() => client.close());
    return verbsOfClient(client);
  },
};

/** Requests of ADR-32, of which each proves its token. */
const requestsOverNats: WayIn = {
  doors: async () => {
    const nats = await NatsServer.start({ jetStream: true });
    return [natsDoor({ url: nats.url, name: "requests" })];
  },
  verbs: async ({ doorUrls }, token) => {
    const url = doorUrls.find((each) => each.endsWith("/requests")) ?? "";
    const caller = await connectNats({ servers: url.replace("/requests", "") });
    later(() => caller.close());
    return {
      ...noVerbs,
      call: async (command) => {
        const made = headers();
        if (token !== null) made.set("Iscep-Proof", natsProof({ token, service: "requests", command, payload: "{}" }));
        const subject = `iscep.requests.call.${command}`;
        const answer = await caller.request(subject, "{}", { timeout: 25_000, headers: made });
        if (answer.headers?.has("Nats-Service-Error-Code") !== true) return fine;
        const { code, detail } = answer.json<{ code: string; detail: string }>();
        return { code, words: detail };
      },
    };
  },
  has: ["call"],
};

interface McpAnswer {
  /** Problem details have these members. */
  readonly code?: string;
  readonly detail?: string;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: { readonly code?: string } };
  readonly result?: { readonly isError?: boolean; readonly content?: readonly { readonly text?: string }[] };
}

/** The first is the one that the others are compared with. */
export const everyDoor: Readonly<Record<string, WayIn>> = {
  "version 2": { verbs: version2 },
  // It has calls and no runs, and a call goes on without its caller.
  "version 1": { verbs: version1, has: ["list", "call"], outlivesToken: true },
  "in process": { verbs: inProcess },
  HTTP: { doors: openHttp, verbs: overHttp },
  MCP: { doors: openHttp, verbs: overMcp },
  ...(natsServerProgram === undefined ? {} : { NATS: overNats }),
  ...(natsServerProgram === undefined ? {} : { "NATS requests": requestsOverNats }),
};

/** A server with the doors of these ways alone, as a broker takes a while to start. */
export async function startDoors(ways: readonly WayIn[], options: TestServerOptions): Promise<DoorServer> {
  const openers = new Set(ways.map((way) => way.doors));
  const doors = await Promise.all([...openers].map(async (open) => open?.() ?? []));
  const server = await startServer({
    ...options,
    limits: { natsBeatMs: 200, ...options.limits },
    doors: doors.flat(),
  });
  const http = server.doorUrls.find((url) => url.startsWith("http")) ?? "";
  return { ...server, origin: http.replace(/\/$/, "") };
}
