// With a token that is checked, and arguments that are validated.
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectIscep, declareArguments, defineCommand, Server } from "../../dist/index.js";
import { mintToken } from "../../dist/identity/tokens.js";

const greet = defineCommand({
  name: "greet",
  description: "Answers its arguments",
  args: declareArguments({ message: { type: "string", maxLength: 2 ** 21 }, numb: { type: "integer" } }),
  run: (args) => args,
});

const stream = defineCommand({
  name: "stream",
  description: "Writes pieces of output",
  args: declareArguments({ pieces: { type: "integer" }, pieceBytes: { type: "integer" } }),
  async run({ pieces, pieceBytes }, { output }) {
    const piece = Buffer.alloc(pieceBytes, "x");
    for (let index = 0; index < pieces; index++) {
      const waits = output.write("stdout", piece);
      if (waits !== undefined) await waits;
    }
  },
});

/**
 * @param options `certificate` is `{ cert, key }` as PEM for TLS, `logs` turns the commands log on, and without
 *   `resumes` each TLS handshake is a full one
 */
export async function server({ certificate, logs = false, resumes = false } = {}) {
  const folder = await mkdtemp(join(tmpdir(), "iscep-bench-"));
  const tokens = join(folder, "tokens.json");
  const token = mintToken();
  await writeFile(tokens, JSON.stringify({ bench: token }), { mode: 0o600 });
  const { port } = await new Server({
    commands: [greet, stream],
    port: 0,
    tls: certificate ?? false,
    tokens,
    limits: { maxConnections: 20_000 },
    ...(logs ? { logs: join(folder, "logs") } : {}),
  }).listen();
  return { port, token, folder, cert: certificate?.cert, resumes };
}

export async function connect({ port, token, cert, resumes }) {
  const client = await connectIscep(`${cert === undefined ? "iscep+tcp" : "iscep"}://127.0.0.1:${port}`, {
    token,
    protocol: 2,
    ...(cert === undefined ? {} : { ca: cert }),
    ...(resumes ? {} : { limits: { tlsSessionLifetimeMs: 0 } }),
  });
  return {
    call: (args) => client.call("greet", args),
    async output(pieces, pieceBytes) {
      let bytes = 0;
      for await (const chunk of client.run("stream", { pieces, pieceBytes }).output) bytes += chunk.bytes.length;
      if (bytes !== pieces * pieceBytes) throw new Error("output was lost");
    },
    close: () => client.close(),
  };
}
