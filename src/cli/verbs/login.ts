import { resolve } from "node:path";
import { IscepError } from "../../errors.js";
import { formatAddress } from "../../transport/address.js";
import { nonEmpty } from "../arguments/option-values.js";
import { openClient, tokenOf } from "../calling/client-options.js";
import { callerAddress } from "../calling/service-place.js";
import { keepServer, knownServersFile, type KnownServer } from "../calling/known-servers.js";
import { askHidden, mayAsk } from "../terminal/question.js";
import { interruptible } from "../terminal/interrupt.js";
import type { DefineVerb } from "../terminal/invocation.js";
import { withHint } from "../terminal/report.js";
import { note } from "../terminal/streams.js";

interface LoginOptions {
  readonly tokenFile?: string;
  readonly ca?: string;
}

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export const define: DefineVerb = (command, invocation) => {
  command
    .argument("<name>", "what you call the server: letters, digits, . _ -")
    .argument("<address>", "its address, as `iscep serve` prints it")
    .option(
      "--token-file <file>",
      "file with your token (default: ISCEP_TOKEN, ISCEP_TOKEN_FILE, or a question)",
      nonEmpty,
    )
    .option("--ca <file>", "certificate of the server, or of the authority that signed it", nonEmpty)
    .action(async (name: string, text: string, options: LoginOptions) => {
      if (!namePattern.test(name)) {
        throw new IscepError(
          "usage",
          "NAME has letters, digits, . _ and -, begins with a letter or digit, and has at most 64 characters",
        );
      }
      const address = callerAddress(text);
      await interruptible(invocation, async (signal) => {
        const token = tokenOf({ ...options, url: text }, address.token) ?? (await askedToken(name, signal));
        const ca = options.ca === undefined ? {} : { ca: resolve(options.ca) };
        const known = { ...withToken(address, text, token), ...ca };
        const { client, commands } = await greet(known, signal);
        await client.close();
        await keepServer(name, known);
        await note(
          `logged in${commands === undefined ? "" : `; ${commands} commands may be called`}. Try: iscep ls --server ${name}`,
        );
      });
    });
};

/** An address of a server can have the token in it. That of a service has the user and password of the broker. */
function withToken(address: ReturnType<typeof callerAddress>, text: string, token: string | undefined): KnownServer {
  if (address.kind === "nats") return { address: text, ...(token === undefined ? {} : { token }) };
  return {
    address: formatAddress({ ...address, ...(token === undefined ? {} : { token, owner: address.owner ?? "" }) }),
  };
}

async function greet(known: KnownServer, signal: AbortSignal) {
  const { address, ...more } = known;
  const client = await openClient({ url: address, quiet: true, ...more }, signal);
  try {
    return { client, commands: (await client.list({ signal })).length };
  } catch (error) {
    // A token may run commands without the right to list them.
    if (error instanceof IscepError && error.code === "unauthorized") {
      const isGood = await client.echo("login", { signal }).then(
        () => true,
        () => false,
      );
      if (isGood) return { client, commands: undefined };
    }
    await client.close();
    throw error instanceof IscepError ? withHint(error, `nothing was written to ${knownServersFile()}`) : error;
  }
}

/** For a server without tokens, the answer is an empty line. */
async function askedToken(name: string, signal: AbortSignal): Promise<string | undefined> {
  if (!mayAsk()) return undefined;
  const token = await askHidden(`token for ${name} (empty for none)`, "no token was given", signal);
  return token.trim() === "" ? undefined : token.trim();
}
