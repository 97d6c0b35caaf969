/** Submits a call to the queue of a broker, where it waits until an instance takes it. */
import type { Client } from "../../client/client.js";
import { IscepError, isIscepError } from "../../errors.js";
import { note } from "../terminal/streams.js";
import { withHint } from "../terminal/report.js";
import { surroundings } from "../terminal/surroundings.js";
import { printRunId } from "./result-output.js";
import type { StartOptions } from "./start-run.js";
import { standardInputKind, warnOfUnsent } from "./standard-input.js";
import { watchRun } from "./watch-run.js";

/** The call goes on when this process is gone, so leaving ends only the watching. */
export async function submitRun(
  client: Client,
  name: string,
  args: Readonly<Record<string, unknown>>,
  options: StartOptions,
  signal: AbortSignal,
): Promise<number> {
  if (options.to !== undefined) {
    const reason = "--durable and --to do not go together: the instance that has room takes the call";
    throw new IscepError("usage", reason);
  }
  await warnOfUnsent(standardInputKind(options, options.takesStandardInput), "with --durable", options);
  const traceparent = surroundings().env["TRACEPARENT"] ?? "";
  const run = client.run(name, args, {
    detach: true,
    durable: true,
    ...(traceparent === "" ? {} : { traceparent }),
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
    ...(options.idempotencyKey === undefined ? {} : { idempotencyKey: options.idempotencyKey }),
  });
  const id = await run.id.catch(explainLost);
  if (options.detach === true) {
    await printRunId(id, options);
    return 0;
  }
  if (options.quiet !== true) await note(`the broker has the call; \`iscep runs attach ${id}\` follows it too`);
  // The timeout is that of the run, which the instance ends.
  return watchRun(run, id, { ...options, timeoutMs: undefined }, signal);
}

function explainLost(error: unknown): never {
  const run: unknown = isIscepError(error) && error.code === "lost" ? error.details?.["run"] : undefined;
  throw typeof run === "string" ? withHint(error, `\`iscep runs show ${run}\` tells whether it is there`) : error;
}
