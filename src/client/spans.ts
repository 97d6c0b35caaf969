/** A span of OpenTelemetry for each call of a client, where a program has registered a provider. */
import { isIscepError } from "../errors.js";
import { activeTracing, type TracedSpan, type Tracing } from "../traces/tracing.js";
import type { CallOptions, RunOptions } from "./protocol/options.js";
import type { ClusterCalls } from "./protocol/instances.js";
import type { ProtocolClient } from "./protocol/protocol-client.js";
import type { RunHandle } from "./protocol/run-handle.js";

/** The same client where nobody traces, at no cost. */
export function withSpans(client: ProtocolClient): ProtocolClient {
  const tracing = activeTracing();
  return tracing === undefined ? client : new TracedProtocolClient(client, tracing);
}

class TracedProtocolClient implements ProtocolClient {
  readonly #client: ProtocolClient;
  readonly #tracing: Tracing;

  constructor(client: ProtocolClient, tracing: Tracing) {
    this.#client = client;
    this.#tracing = tracing;
  }

  get version(): ProtocolClient["version"] {
    return this.#client.version;
  }

  get cluster(): ClusterCalls | undefined {
    return this.#client.cluster;
  }

  async call(command: string, args: unknown, options: CallOptions | undefined): Promise<unknown> {
    const span = this.#tracing.beginCall(command);
    try {
      const value = await span.within(() => this.#client.call(command, args, options));
      span.end({ status: "completed" });
      return value;
    } catch (error) {
      endFailed(span, error);
      throw error;
    }
  }

  run(command: string, args: unknown, options: RunOptions | undefined): RunHandle {
    const span = this.#tracing.beginCall(command);
    const handle = span.within(() => this.#client.run(command, args, options));
    void handle.outcome.then((outcome) => span.end(outcome));
    return handle;
  }

  attach(...parameters: Parameters<ProtocolClient["attach"]>): ReturnType<ProtocolClient["attach"]> {
    return this.#client.attach(...parameters);
  }

  cancel(...parameters: Parameters<ProtocolClient["cancel"]>): ReturnType<ProtocolClient["cancel"]> {
    return this.#client.cancel(...parameters);
  }

  runs(...parameters: Parameters<ProtocolClient["runs"]>): ReturnType<ProtocolClient["runs"]> {
    return this.#client.runs(...parameters);
  }

  whoAmI(...parameters: Parameters<ProtocolClient["whoAmI"]>): ReturnType<ProtocolClient["whoAmI"]> {
    return this.#client.whoAmI(...parameters);
  }

  schedules(...parameters: Parameters<ProtocolClient["schedules"]>): ReturnType<ProtocolClient["schedules"]> {
    return this.#client.schedules(...parameters);
  }

  list(...parameters: Parameters<ProtocolClient["list"]>): ReturnType<ProtocolClient["list"]> {
    return this.#client.list(...parameters);
  }

  echo(...parameters: Parameters<ProtocolClient["echo"]>): ReturnType<ProtocolClient["echo"]> {
    return this.#client.echo(...parameters);
  }

  close(): Promise<void> {
    return this.#client.close();
  }
}

function endFailed(span: TracedSpan, error: unknown): void {
  if (isIscepError(error)) span.end({ status: error.code === "lost" ? "lost" : "failed", error });
  else span.end({ status: "failed" });
}
