/** PITFALLS 18: whatever becomes of a call with a secret, the secret is in nothing that the server writes, in no form. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { connect } from "iscep";
import { iscep, serve } from "../support/iscep.js";
import { serveProcess } from "../support/iscep-process.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const program = fileURLToPath(new URL("programs/secretive.mjs", import.meta.url));
/** Quoted differently by each that quotes; each half is known again in any of the forms. */
const [first, last] = ["canary-9d3f", "7c21-yranac"];
const password = `${first} "'\\/&ü\n${last}`;

function textsOf(folder: string): Map<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8", withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return new Map(files.map(({ parentPath, name }) => [name, readFileSync(join(parentPath, name), "latin1")] as const));
}

function holdsSecret(text: string): boolean {
  const inBase64 = [0, 1, 2].map((before) =>
    Buffer.concat([Buffer.alloc(before), Buffer.from(first)])
      .toString("base64")
      .slice(4, -4),
  );
  return [first, last, ...inBase64].some((part) => text.includes(part));
}

test("a stray rejection, a failure with its causes, a refusal, a script's words, and the fault that ends the server", async () => {
  const folder = temporaryFolder();
  const words = [program, "--no-tls", "--port", "0", "--logs", "logs", "--debug"];
  const server = await serveProcess(words, { folder, environment: { ISCEP_DEBUG: "1" } });
  const client = await connect(server.url);
  expect(await client.call("forget", { password })).toBe("done");
  expect(await client.call("later", { password })).toBe("done");
  const key = { idempotencyKey: "key" };
  await Promise.all(["fail", "refuse", "print"].map((name) => client.run(name, { password }, key).outcome));
  for (const name of ["fail", "refuse", "print"])
    expect((await client.run(name, { password }).outcome).status).toBe("failed");
  const errorLog = join(folder, "logs", "error.log");
  await expect.poll(() => readFileSync(errorLog, "utf8").match(/stray_rejection/g)).toHaveLength(2);
  expect(await client.call("explode", { password })).toBe("done");
  const { code, stderr, stdout } = await server.ended;
  expect(code).toBe(70);
  await client.close();

  const files = textsOf(folder);
  expect([...files.keys()]).toEqual(expect.arrayContaining(["error.log", "commands.log", "access.log"]));
  expect([...files.keys()].some((name) => name.endsWith(".run"))).toBe(true);
  expect([...files].filter(([, text]) => holdsSecret(text))).toEqual([]);
  expect(stderr).toContain("refused: ***; https://service/?password=***; Basic ");
  expect([stderr, stdout].filter(holdsSecret)).toEqual([]);
  // The test would see it.
  expect(holdsSecret(JSON.stringify({ password }))).toBe(true);
  expect(holdsSecret(Buffer.from(`user:${password}`).toString("base64"))).toBe(true);
});

test("output that is data stays as it is; where a secret in it was masked, the caller is told, and so is the record", async () => {
  const folder = temporaryFolder();
  const server = await serve([program, "--no-tls", "--port", "0"], { folder });
  const options = { folder, environment: { ISCEP_URL: server.url }, input: password };
  expect(await iscep(["call", "data", "--password", "-"], options)).toMatchObject({
    code: 0,
    stdout: password,
    stderr: "",
  });
  const told = await iscep(["call", "print", "--password", "-"], options);
  expect(told).toMatchObject({ code: 3, stdout: '{"password":"***"}' });
  expect(told.stderr).toMatch(/^iscep: warning: \*\*\* in the output stands for a secret/);
  expect((await iscep(["call", "print", "--quiet", "--password", "-"], options)).stderr).toBe("");

  const client = await connect(server.url);
  const run = client.run("print", { password }, { detach: true });
  expect(await run.outcome).toMatchObject({ status: "failed", exitCode: 3, masked: true });
  const shown = await iscep(["runs", "show", await run.id], options);
  expect(shown.stdout).toContain("(masked: *** stands for secrets)");
  await client.close();
  expect((await server.stop()).code).toBe(0);
});
