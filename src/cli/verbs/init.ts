import { existsSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { formatAddress } from "../../transport/address.js";
import type { DefineVerb } from "../terminal/invocation.js";
import { refuseExisting, writeNewFiles } from "../serving/new-files.js";
import { configurationFile, starterFiles } from "../serving/starter-files.js";
import { print } from "../terminal/streams.js";
import { surroundings } from "../terminal/surroundings.js";

interface InitOptions {
  readonly json?: boolean;
}

const owner = "admin";
const consoleUrl = "https://127.0.0.1:8989/";

export const define: DefineVerb = (command) => {
  command
    .argument("[folder]", "where to write them; made if it does not exist", ".")
    .option("--json", "print one JSON value, and nothing else, on standard output")
    .addHelpText("after", "\nExisting files are never overwritten. To serve what it wrote: cd FOLDER && iscep serve")
    .action(init);
};

async function init(folder: string, options: InitOptions): Promise<void> {
  const tokensPath = join(folder, "tokens.json");
  const keyPath = join(folder, "key.pem");
  const certPath = join(folder, "cert.pem");
  const starters = starterFiles.map(({ name, text, mode }) => ({
    path: join(folder, name),
    text: name === configurationFile ? schemaLine(folder) + text : text,
    mode,
  }));
  const paths = [...starters.map(({ path }) => path), tokensPath, certPath, keyPath];
  refuseExisting(paths, "choose another folder, or move them away");
  const [{ createCertificate }, { addToken }] = await Promise.all([
    import("../../identity/certificates.js"),
    import("../../identity/tokens-writer.js"),
  ]);
  const { certPem, keyPem, pin } = await createCertificate();
  await writeNewFiles([
    ...starters,
    { path: keyPath, text: keyPem, mode: 0o600 },
    { path: certPath, text: certPem, mode: 0o644 },
  ]);
  const { token } = await addToken(tokensPath, { owner });
  const url = formatAddress({ kind: "tls", host: "127.0.0.1", port: 8989, pin, owner, token });
  if (options.json === true) {
    await print(
      `${JSON.stringify({ folder: resolve(folder), files: paths, owner, token, pin, url, console: consoleUrl })}\n`,
    );
    return;
  }
  await print(nextSteps(paths, folder, url, token));
}

/**
 * The line that editors read, if the package is installed in the folder or above it. Its relative path works on other
 * machines too.
 */
function schemaLine(folder: string): string {
  const start = resolve(folder);
  for (let above = start; ; above = dirname(above)) {
    const schema = join(above, "node_modules", "iscep", "iscep.schema.json");
    if (existsSync(schema)) return `# yaml-language-server: $schema=./${relative(start, schema)}\n`;
    if (dirname(above) === above) return "";
  }
}

function nextSteps(paths: readonly string[], folder: string, url: string, token: string): string {
  // npx sets this variable. Then there may be no `iscep` in the PATH.
  const iscep = surroundings().env["npm_command"] === "exec" ? "npx iscep" : "iscep";
  const change = relative("", folder) === "" ? [] : [`    cd ${quoted(folder)}`];
  return [
    `wrote ${paths.join(", ")}`,
    "",
    "Start the server:",
    "",
    ...change,
    `    ${iscep} serve`,
    "",
    "Call it from another terminal. The address holds a token, which is shown this once:",
    "",
    `    export ISCEP_URL=${quoted(url)}`,
    `    ${iscep} ls`,
    `    ${iscep} call hello --name Ada`,
    `    ${iscep} call archive`,
    "",
    `Or open ${consoleUrl} in a browser, which warns of the certificate, as it is your own. Sign in with the token`,
    token,
    "",
  ].join("\n");
}

/** Quotes a word for a POSIX shell. */
function quoted(text: string): string {
  return /^[\w./-]+$/.test(text) && !text.startsWith("-") ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
