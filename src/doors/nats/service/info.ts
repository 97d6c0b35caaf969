/** What `nats micro` reads: the answers to PING, INFO and STATS (ADR-32 of NATS). */
import type { CommandDescription } from "../../../model/command.js";
import { callSubjects, queueGroup } from "../../../nats/call-subjects.js";
import type { EndpointCounts } from "./counts.js";

export interface ServiceFacts {
  readonly name: string;
  readonly id: string;
  /** It follows Semantic Versioning, as ADR-32 asks. */
  readonly version: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface Endpoint {
  readonly name: string;
  readonly subject: string;
  readonly queue_group: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * The endpoints that everybody may know.
 * @param descriptions what a caller without a token may discover. undefined: nothing; then all commands are one
 *   endpoint, which tells no names
 */
export function endpointsOf(service: string, descriptions: readonly CommandDescription[] | undefined): Endpoint[] {
  if (descriptions === undefined) {
    const metadata = {
      description: "Calls a command. Callers with a token learn over a session which ones there are.",
    };
    return [{ name: "call", subject: `${callSubjects.calls(service)}>`, queue_group: queueGroup, metadata }];
  }
  return descriptions.map((description) => ({
    name: description.name.replace(/[^A-Za-z0-9_-]/g, "_"),
    subject: callSubjects.call(service, description.name),
    queue_group: queueGroup,
    metadata: metadataOf(description),
  }));
}

/** Metadata are strings, so schemas are JSON text. */
function metadataOf({ name, description, kind, args, result, timeoutMs }: CommandDescription): Record<string, string> {
  return {
    command: name,
    ...(description === "" ? {} : { description }),
    kind,
    arguments_schema: JSON.stringify(args),
    ...(result === undefined ? {} : { result_schema: JSON.stringify(result) }),
    timeout_ms: String(timeoutMs),
  };
}

export function pingText(facts: ServiceFacts): string {
  return JSON.stringify({ type: "io.nats.micro.v1.ping_response", ...facts });
}

/** @param maxBytes the most that a message may have. What does not fit is left out, and the text says so */
export function infoText(facts: ServiceFacts, endpoints: readonly Endpoint[], maxBytes: number): string {
  const text = (listed: readonly Endpoint[], note: Readonly<Record<string, string>> = {}): string =>
    JSON.stringify({
      type: "io.nats.micro.v1.info_response",
      ...facts,
      metadata: { ...facts.metadata, ...note },
      description: "Commands of a service, called by their names (iscep)",
      endpoints: listed,
    });
  const whole = text(endpoints);
  if (Buffer.byteLength(whole) <= maxBytes) return whole;
  const short = endpoints.map(({ metadata, ...endpoint }) => {
    const { arguments_schema: _args, result_schema: _result, ...rest } = metadata;
    return { ...endpoint, metadata: rest };
  });
  return fitting(short, maxBytes, (listed) =>
    text(listed, {
      left_out: `schemas${listed.length < short.length ? `, and ${short.length - listed.length} endpoints` : ""}: a message has no room for them`,
    }),
  );
}

export function statsText(
  facts: ServiceFacts,
  startedAtMs: number,
  endpoints: readonly Endpoint[],
  countsOf: (endpoint: Endpoint) => EndpointCounts,
  maxBytes: number,
): string {
  const all = endpoints.map((endpoint) => {
    const { name, subject, queue_group } = endpoint;
    const { requests, errors, lastError, processingNs } = countsOf(endpoint);
    return {
      name,
      subject,
      queue_group,
      num_requests: requests,
      num_errors: errors,
      last_error: lastError,
      processing_time: processingNs,
      average_processing_time: requests === 0 ? 0 : Math.floor(processingNs / requests),
    };
  });
  return fitting(all, maxBytes, (listed) =>
    JSON.stringify({
      type: "io.nats.micro.v1.stats_response",
      ...facts,
      started: new Date(startedAtMs).toISOString(),
      endpoints: listed,
    }),
  );
}

/** The text with as many entries, from the first one on, as fit into it. */
function fitting<Entry>(
  entries: readonly Entry[],
  maxBytes: number,
  text: (entries: readonly Entry[]) => string,
): string {
  let fits = 0;
  let tooMany = entries.length + 1;
  while (tooMany - fits > 1) {
    const middle = Math.floor((fits + tooMany) / 2);
    if (Buffer.byteLength(text(entries.slice(0, middle))) <= maxBytes) fits = middle;
    else tooMany = middle;
  }
  return text(entries.slice(0, fits));
}
