/**
 * Spans of OpenTelemetry for calls and runs. The package `@opentelemetry/api` is loaded only where a program has
 * registered a tracer provider with it. Otherwise a call asks one variable.
 */
import type * as OpenTelemetry from "@opentelemetry/api";
import type { ErrorCode } from "../errors.js";
import type { OutcomeStatus } from "../model/outcome.js";
import { packageVersion } from "../version.js";
import { readTraceparent, writeTraceparent } from "./traceparent.js";

type Api = typeof OpenTelemetry;
type Attributes = Readonly<Record<string, string | number>>;

/** Where all copies of the package keep what was registered. */
const registered = Symbol.for("opentelemetry.js.api.1");

let tracing: Tracing | undefined;

/** undefined where nobody traces. */
export function activeTracing(): Tracing | undefined {
  return tracing;
}

/** Call this before the first call or run. A provider that is registered later is not seen. */
export async function loadTracing(): Promise<void> {
  if (tracing !== undefined || !hasProvider()) return;
  try {
    tracing = new Tracing(await import("@opentelemetry/api"));
  } catch (error) {
    // The program has a copy that this package cannot reach.
    const message = "spans are left out, because @opentelemetry/api cannot be loaded; install it beside iscep";
    process.emitWarning(message, { type: "IscepWarning", code: "ISCEP_TRACES", detail: String(error) });
  }
}

function hasProvider(): boolean {
  const state: unknown = Reflect.get(globalThis, registered);
  return typeof state === "object" && state !== null && "trace" in state;
}

/** How a call or a run ended, as far as a span tells it. */
export interface SpanEnd {
  readonly status: OutcomeStatus;
  readonly error?: { readonly code: ErrorCode; readonly message: string };
  readonly exitCode?: number;
}

export class Tracing {
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  /** A call of a client. Its parent is the span that is active. */
  beginCall(command: string): TracedSpan {
    return this.#begin(`call ${command}`, this.#api.SpanKind.CLIENT, attributesOf(command), this.#api.context.active());
  }

  /** A run in the server. Its parent is the caller's span, or else the one that is active. */
  beginRun(command: string, traceparent: string | undefined, attributes: Attributes): TracedSpan {
    const { context, trace, SpanKind } = this.#api;
    const place = readTraceparent(traceparent);
    const active = context.active();
    const parent = place === undefined ? active : trace.setSpanContext(active, { ...place, isRemote: true });
    return this.#begin(`run ${command}`, SpanKind.SERVER, { ...attributesOf(command), ...attributes }, parent);
  }

  #begin(
    name: string,
    kind: OpenTelemetry.SpanKind,
    attributes: Attributes,
    parent: OpenTelemetry.Context,
  ): TracedSpan {
    // The tracer is asked for each time, because a program may replace its provider.
    const tracer = this.#api.trace.getTracer("iscep", packageVersion);
    return new TracedSpan(this.#api, tracer.startSpan(name, { kind, attributes: { ...attributes } }, parent), parent);
  }

  /** What a call tells its server: the span that is active. */
  activeTraceparent(): string | undefined {
    const place = this.#api.trace.getSpanContext(this.#api.context.active());
    return place === undefined || !this.#api.isSpanContextValid(place) ? undefined : writeTraceparent(place);
  }
}

/** The names of the semantic conventions for RPC. */
function attributesOf(command: string): Attributes {
  return { "rpc.system": "iscep", "rpc.method": command };
}

export class TracedSpan {
  readonly #api: Api;
  readonly #span: OpenTelemetry.Span;
  readonly #parent: OpenTelemetry.Context;

  constructor(api: Api, span: OpenTelemetry.Span, parent: OpenTelemetry.Context) {
    this.#api = api;
    this.#span = span;
    this.#parent = parent;
  }

  /** undefined for a span of a provider that makes no ids. */
  get traceparent(): string | undefined {
    const place = this.#span.spanContext();
    return this.#api.isSpanContextValid(place) ? writeTraceparent(place) : undefined;
  }

  /** The span is active while this runs, and in what it begins. */
  within<Result>(work: () => Result): Result {
    const { context, trace } = this.#api;
    return context.with(trace.setSpan(this.#parent, this.#span), work);
  }

  end({ status, error, exitCode }: SpanEnd): void {
    this.#span.setAttribute("iscep.status", status);
    if (exitCode !== undefined) this.#span.setAttribute("process.exit.code", exitCode);
    if (error !== undefined) {
      this.#span.setAttribute("error.type", error.code);
      this.#span.setStatus({ code: this.#api.SpanStatusCode.ERROR, message: error.message });
    }
    this.#span.end();
  }
}
