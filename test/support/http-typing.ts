/** Typing into runs over HTTP. */
import { expect } from "vitest";
import { defineCommand, defineScript } from "iscep";
import { startHttp, type HttpServer } from "./http.js";

export const ask = defineScript({
  name: "ask",
  stdin: true,
  run: ["/bin/sh", "-c", 'printf "who? "; read -r name; echo "hello, $name"; cat'],
});

export const copy = defineScript({ name: "copy", stdin: true, run: ["cat"] });

export const deaf = defineScript({ name: "deaf", stdin: true, run: ["sleep", "60"] });

export const none = defineScript({ name: "none", stdin: false, run: ["true"] });

export const add = defineCommand({ name: "add", run: () => 1 });

export function start(options: Parameters<typeof startHttp>[0] = {}): Promise<HttpServer> {
  return startHttp({ commands: [ask, copy, deaf, none, add], ...options });
}

export async function json(response: Response | Promise<Response>): Promise<Record<string, unknown>> {
  return (await (await response).json()) as Record<string, unknown>;
}

/** Calls with open input, and gives the id of the run. */
export async function open(
  server: HttpServer,
  command = "copy",
  { query = "", headers = {} }: { query?: string; headers?: Record<string, string> } = {},
): Promise<string> {
  const answer = await server.post(
    `/commands/${command}?stdin=open${query}`,
    {},
    { prefer: "respond-async", ...headers },
  );
  expect(answer.status).toBe(202);
  return String((await json(answer))["run"]);
}

export const ofBytes = { "content-type": "application/octet-stream" };

export function type(
  server: HttpServer,
  run: string,
  text: string | Uint8Array<ArrayBuffer>,
  query = "",
  headers: Record<string, string> = {},
): Promise<Response> {
  return server.ask(`/runs/${run}/stdin${query}`, { method: "POST", body: text, headers: { ...ofBytes, ...headers } });
}

export async function typed(...args: Parameters<typeof type>): Promise<[status: number, offset: unknown]> {
  const answer = await type(...args);
  return [answer.status, (await json(answer))["offset"]];
}

export async function ended(server: HttpServer, run: string): Promise<Record<string, unknown>> {
  return json(server.ask(`/runs/${run}`, { headers: { prefer: "wait=20" } }));
}

export async function outputOf(server: HttpServer, run: string): Promise<string> {
  return (await server.ask(`/runs/${run}/output`)).text();
}
