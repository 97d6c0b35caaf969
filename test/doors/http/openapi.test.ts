import { Validator } from "@seriousme/openapi-schema-validator";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import createClient from "openapi-fetch";
import { format } from "prettier";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { defineCommand, defineScript } from "iscep";
import { addToken } from "#iscep/identity/tokens-writer";
import { startHttp, type HttpServer } from "../../support/http.js";
import { typesOf } from "../../support/openapi-types.js";
import { tokens } from "../../support/servers.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import type { paths } from "./programs/openapi-paths.js";

const redocly = path.join(path.dirname(fileURLToPath(import.meta.resolve("@redocly/cli/package.json"))), "bin/cli.js");

interface Node {
  readonly name: string;
  readonly children?: Node[] | undefined;
}
const node: z.ZodType<Node> = z.lazy(() => z.object({ name: z.string(), children: z.array(node).optional() }));

const commands = [
  defineCommand({
    name: "add",
    description: "Adds",
    args: z.object({ a: z.int(), b: z.int() }),
    run: ({ a, b }) => a + b,
  }),
  defineCommand({ name: "tree", args: z.object({ root: node }), run: ({ root }) => root.name }),
  defineScript({ name: "save.file", run: ["cat"], stdin: true }),
  defineScript({
    name: "report",
    run: ["echo", '{"lines":1}'],
    output: "json",
    result: { type: "object", properties: { lines: { type: "integer" } }, required: ["lines"] },
  }),
];

async function documentOf(server: HttpServer, init?: RequestInit): Promise<Record<string, unknown>> {
  return (await (await server.ask("/openapi.json", init)).json()) as Record<string, unknown>;
}

/** Only what goes with every server, and a command with plain arguments. */
const typesFile = "test/doors/http/programs/openapi-paths.ts";

describe("/openapi.json", () => {
  test("is valid for two validators", async () => {
    const server = await startHttp({ commands });
    const document = await documentOf(server);
    const validator = new Validator();
    const result = await validator.validate(structuredClone(document));
    expect([result.valid, result.errors]).toEqual([true, undefined]);
    expect(validator.version).toBe("3.1");
    const file = path.join(temporaryFolder(), "openapi.json");
    writeFileSync(file, JSON.stringify(document));
    const run = spawnSync(process.execPath, [redocly, "lint", file, "--extends=spec", "--format=json"], {
      encoding: "utf8",
      env: { ...process.env, REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" },
    });
    expect(JSON.parse(run.stdout)).toMatchObject({ totals: { errors: 0, warnings: 0 } });
  });

  test("shows the commands that this caller may run, and no others", async () => {
    const server = await startHttp({ commands });
    const { token } = await addToken(server.tokensFile, { owner: "carl", scopes: ["discover", "run:add"] });
    const pathsOf = async (init?: RequestInit): Promise<string[]> =>
      Object.keys((await documentOf(server, init))["paths"] as object).filter((name) => /^\/commands\/[^{]/.test(name));
    expect(await pathsOf()).toEqual(["/commands/add", "/commands/report", "/commands/save.file", "/commands/tree"]);
    expect(await pathsOf({ headers: { authorization: `Bearer ${token}` } })).toEqual(["/commands/add"]);
    const anonymous = await fetch(`${server.origin}/openapi.json`);
    expect(Object.keys(((await anonymous.json()) as { paths: object }).paths)).not.toContain("/commands/add");
    const wrong = await server.ask("/openapi.json", { headers: { authorization: "Bearer wrong" } });
    expect(wrong.status).toBe(401);
  });

  test("names every route that the server has, and no other", async () => {
    const server = await startHttp({ commands });
    const document = await documentOf(server);
    for (const [name, methods] of Object.entries(document["paths"] as Record<string, object>)) {
      const answer = await server.ask(name.replace(/\{\w+\}/, "x"), { method: "OPTIONS" });
      const allowed = (answer.headers.get("allow") ?? "").toLowerCase().split(", ");
      for (const method of Object.keys(methods))
        expect([name, allowed]).toEqual([name, expect.arrayContaining([method])]);
    }
  });

  test("references within the schema of a command lead to their place", async () => {
    const server = await startHttp({ commands });
    const { schemas } = (await documentOf(server))["components"] as { schemas: Record<string, unknown> };
    const references = [...JSON.stringify(schemas["tree.args"]).matchAll(/"\$ref":"([^"]+)"/g)].map(([, to]) => to);
    expect(references.length).toBeGreaterThan(0);
    for (const to of references) expect(to).toMatch(/^#\/components\/schemas\/tree\.args/);
  });

  test("the types of the generated client are those of this server", async () => {
    const server = await startHttp({ commands: commands.filter(({ name }) => name !== "tree") });
    const made = await format(typesOf(await documentOf(server)), { parser: "typescript", printWidth: 120 });
    if (process.env["UPDATE_OPENAPI_TYPES"] !== undefined || !existsSync(typesFile)) writeFileSync(typesFile, made);
    expect(readFileSync(typesFile, "utf8")).toBe(made);
  });

  test("a client with these types calls, lists and reads errors", async () => {
    const server = await startHttp({ commands });
    const client = createClient<paths>({
      baseUrl: server.origin,
      headers: { authorization: `Bearer ${tokens.alice}` },
    });
    const { data } = await client.POST("/commands/add", { body: { a: 1, b: 2 } });
    expect(data).toMatchObject({ status: "completed", value: 3 });
    const report = await client.POST("/commands/report", { params: { header: { "Idempotency-Key": "k" } } });
    // The type of the value is that of the command's own schema.
    const value = typeof report.data === "object" && "value" in report.data ? report.data.value : undefined;
    const lines: number | undefined = value?.lines;
    expect(lines).toBe(1);
    const page = await client.GET("/runs", { params: { query: { command: "report", limit: 1 } } });
    const run = page.data?.runs[0]?.run ?? "";
    expect((await client.GET("/runs/{run}", { params: { path: { run } } })).data).toMatchObject({
      run,
      status: "completed",
    });
    // @ts-expect-error the compiler knows that there is no such argument
    const wrong = await client.POST("/commands/add", { body: { a: 1, c: 2 } });
    expect(wrong.error?.code).toBe("invalid_arguments");
  });
});

describe("/docs", () => {
  test("shows what this caller may see, loads nothing, and takes nothing for markup", async () => {
    const hostile = defineCommand({
      name: "hostile",
      description: "<script>alert(1)</script>\u202Eevil",
      run: () => 1,
    });
    const server = await startHttp({ commands: [...commands, hostile] });
    const answer = await server.ask("/docs");
    const page = await answer.text();
    expect(answer.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(answer.headers.get("content-security-policy")).not.toContain("unsafe");
    expect(page).toContain("/commands/add");
    expect(page).toContain('id="error-command_not_found"');
    expect(page).not.toContain("<script");
    expect(page).not.toContain("\u202E");
    expect(page).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
    const anonymous = await (await fetch(`${server.origin}/docs`)).text();
    expect(anonymous).not.toContain("/commands/add");
  });

  test("the type of a problem leads to its place on this page", async () => {
    const server = await startHttp({ commands });
    for (const [path, kind] of [
      ["/nothing", "status"],
      ["/runs/none", "error"],
    ] as const) {
      const { type } = (await (await server.ask(path)).json()) as { type: string };
      const target = new URL(type, server.origin);
      expect(target.hash).toContain(kind);
      expect(await (await fetch(target)).text()).toContain(`id="${target.hash.slice(1)}"`);
    }
  });
});
