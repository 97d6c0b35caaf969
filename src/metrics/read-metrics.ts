/** Puts together what was counted and the present state. */
import { packageVersion } from "../version.js";
import type { EventLoopDelay } from "./event-loop-delay.js";
import { Exposition } from "./exposition.js";
import { durationBuckets, type MetricName } from "./metric-table.js";
import type { CommandCounts, Metrics } from "./metrics.js";

/** The present state of the server. */
export interface PresentState {
  readonly runsInProgress: number;
  readonly runsWaiting: number;
  readonly commands: number;
  readonly connections: Readonly<Record<string, number>>;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly journalRuns: number;
  readonly journalBytes: number;
  readonly noticesWaiting: number;
  readonly eventLoopDelay: EventLoopDelay | undefined;
}

export function readMetrics(metrics: Metrics, state: PresentState): string {
  const exposition = new Exposition();
  for (const [command, counts] of metrics.commands) addCommand(exposition, command, counts);
  for (const [code, count] of metrics.refusals) exposition.add("iscep_refusals_total", count, { code });
  for (const [result, count] of Object.entries(metrics.notices))
    exposition.add("iscep_notices_total", count, { result });
  for (const [door, count] of Object.entries(state.connections)) exposition.add("iscep_connections", count, { door });
  exposition.add("iscep_info", 1, { version: packageVersion, node: process.versions.node });
  const { eventLoopDelay } = state;
  const { user, system } = process.cpuUsage();
  const plain: Partial<Record<MetricName, number | undefined>> = {
    iscep_runs_in_progress: state.runsInProgress,
    iscep_runs_waiting: state.runsWaiting,
    iscep_commands: state.commands,
    iscep_connections_total: metrics.connections,
    iscep_refused_connections_total: metrics.refusedConnections,
    iscep_failed_tokens_total: metrics.failedTokens,
    iscep_received_bytes_total: state.receivedBytes,
    iscep_sent_bytes_total: state.sentBytes,
    iscep_journal_runs: state.journalRuns,
    iscep_journal_bytes: state.journalBytes,
    iscep_notices_waiting: state.noticesWaiting,
    iscep_event_loop_delay_p50_seconds: eventLoopDelay?.p50Seconds,
    iscep_event_loop_delay_p99_seconds: eventLoopDelay?.p99Seconds,
    iscep_event_loop_delay_max_seconds: eventLoopDelay?.maxSeconds,
    process_start_time_seconds: performance.timeOrigin / 1_000,
    process_cpu_seconds_total: (user + system) / 1e6,
    process_resident_memory_bytes: process.memoryUsage.rss(),
  };
  for (const [name, value] of Object.entries(plain)) if (value !== undefined) exposition.add(name as MetricName, value);
  return exposition.text();
}

function addCommand(exposition: Exposition, command: string, counts: CommandCounts): void {
  for (const [status, count] of Object.entries(counts.byStatus))
    exposition.add("iscep_runs_total", count, { command, status });
  exposition.add("iscep_truncated_runs_total", counts.truncated, { command });
  exposition.add("iscep_output_bytes_total", counts.outputBytes, { command });
  let count = 0;
  for (const [index, inBucket] of counts.durations.entries()) {
    count += inBucket;
    const bound = durationBuckets[index];
    const le = bound === undefined ? "+Inf" : String(bound);
    exposition.add("iscep_run_duration_seconds", count, { command, le }, "_bucket");
  }
  exposition.add("iscep_run_duration_seconds", counts.durationMs / 1_000, { command }, "_sum");
  exposition.add("iscep_run_duration_seconds", count, { command }, "_count");
}
