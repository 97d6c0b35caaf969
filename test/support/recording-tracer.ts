/** A tracer provider that keeps its spans, and a context manager: what a program gets from the SDK of OpenTelemetry. */
import { AsyncLocalStorage } from "node:async_hooks";
import { randomBytes } from "node:crypto";
import {
  context,
  ROOT_CONTEXT,
  trace,
  TraceFlags,
  type Attributes,
  type Context,
  type ContextManager,
  type Span,
  type SpanContext,
  type SpanOptions,
  type SpanStatus,
  type Tracer,
} from "@opentelemetry/api";

export interface RecordedSpan {
  readonly name: string;
  readonly kind: number | undefined;
  readonly place: SpanContext;
  readonly parentId: string | undefined;
  readonly attributes: Attributes;
  status: SpanStatus | undefined;
  ended: number;
}

class Recorded implements Span {
  readonly #span: RecordedSpan;

  constructor(span: RecordedSpan) {
    this.#span = span;
  }

  spanContext(): SpanContext {
    return this.#span.place;
  }
  setAttribute(name: string, value: string | number): this {
    this.#span.attributes[name] = value;
    return this;
  }
  setAttributes(attributes: Attributes): this {
    Object.assign(this.#span.attributes, attributes);
    return this;
  }
  setStatus(status: SpanStatus): this {
    this.#span.status = status;
    return this;
  }
  end(): void {
    this.#span.ended++;
  }
  isRecording(): boolean {
    return this.#span.ended === 0;
  }
  addEvent(): this {
    return this;
  }
  addLink(): this {
    return this;
  }
  addLinks(): this {
    return this;
  }
  updateName(): this {
    return this;
  }
  recordException(): void {}
}

class Contexts implements ContextManager {
  readonly #storage = new AsyncLocalStorage<Context>();

  active(): Context {
    return this.#storage.getStore() ?? ROOT_CONTEXT;
  }
  with<Args extends unknown[], Work extends (...args: Args) => ReturnType<Work>>(
    given: Context,
    work: Work,
    self?: ThisParameterType<Work>,
    ...args: Args
  ): ReturnType<Work> {
    return this.#storage.run(given, () => work.apply(self, args));
  }
  bind<Target>(_: Context, target: Target): Target {
    return target;
  }
  enable(): this {
    return this;
  }
  disable(): this {
    this.#storage.disable();
    return this;
  }
}

/** From now on nobody traces. Other tests run in the same process. */
export function stopRecording(): void {
  trace.disable();
  context.disable();
}

/** Registers both, until `stopRecording`. Returns the spans, as they begin. */
export function recordSpans(): RecordedSpan[] {
  const spans: RecordedSpan[] = [];
  const startSpan = (name: string, { kind, attributes = {} }: SpanOptions = {}, parent = context.active()): Span => {
    const above = trace.getSpanContext(parent);
    const place: SpanContext = {
      traceId: above?.traceId ?? randomBytes(16).toString("hex"),
      spanId: randomBytes(8).toString("hex"),
      traceFlags: TraceFlags.SAMPLED,
    };
    const span: RecordedSpan = { name, kind, place, parentId: above?.spanId, attributes, status: undefined, ended: 0 };
    spans.push(span);
    return new Recorded(span);
  };
  const tracer = { startSpan, startActiveSpan: undefined } as unknown as Tracer;
  context.setGlobalContextManager(new Contexts());
  trace.setGlobalTracerProvider({ getTracer: () => tracer });
  return spans;
}
