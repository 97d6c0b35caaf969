/** Every metric by its name. The exposition, docs/METRICS.md and the tests of the dashboard follow from this table. */

export interface MetricKind {
  readonly type: "counter" | "gauge" | "histogram";
  readonly labels: readonly string[];
  readonly help: string;
}

export const metricTable = {
  iscep_runs_total: {
    type: "counter",
    labels: ["command", "status"],
    help: "Runs that ended, by command and by how they ended.",
  },
  iscep_run_duration_seconds: {
    type: "histogram",
    labels: ["command"],
    help: "How long runs took, with their wait for a place; without those that were refused.",
  },
  iscep_runs_in_progress: { type: "gauge", labels: [], help: "Runs that go on." },
  iscep_runs_waiting: { type: "gauge", labels: [], help: "Runs that wait for their turn." },
  iscep_refusals_total: { type: "counter", labels: ["code"], help: "Calls that were refused, by error code." },
  iscep_truncated_runs_total: {
    type: "counter",
    labels: ["command"],
    help: "Runs whose output was cut, because it was more than it may be.",
  },
  iscep_output_bytes_total: { type: "counter", labels: ["command"], help: "Output of runs that ended." },
  iscep_commands: { type: "gauge", labels: [], help: "Commands that the server has now." },
  iscep_connections: {
    type: "gauge",
    labels: ["door"],
    help: "Connections that are open, by the door they came to: `version1`, `version2`, `http`, `nats`, or `stream` for one that a door of your own accepted.",
  },
  iscep_connections_total: { type: "counter", labels: [], help: "Connections that were accepted." },
  iscep_refused_connections_total: {
    type: "counter",
    labels: [],
    help: "Connections that were refused or dropped at a limit, or for wrong tokens.",
  },
  iscep_failed_tokens_total: { type: "counter", labels: [], help: "Wrong tokens that were shown." },
  iscep_received_bytes_total: { type: "counter", labels: [], help: "Bytes that came over connections, with TLS." },
  iscep_sent_bytes_total: { type: "counter", labels: [], help: "Bytes that were sent over connections, with TLS." },
  iscep_journal_runs: { type: "gauge", labels: [], help: "Runs in the runs folder; 0 without one." },
  iscep_journal_bytes: { type: "gauge", labels: [], help: "Size of the runs folder; 0 without one." },
  iscep_notices_total: {
    type: "counter",
    labels: ["result"],
    help: "Notices about runs: given, failed for good, or dropped at the limit.",
  },
  iscep_notices_waiting: { type: "gauge", labels: [], help: "Notices that wait, also for their next try." },
  iscep_event_loop_delay_p50_seconds: {
    type: "gauge",
    labels: [],
    help: "Half of the turns of the event loop came no later than this, in the last 10 s or more.",
  },
  iscep_event_loop_delay_p99_seconds: {
    type: "gauge",
    labels: [],
    help: "99 of 100 turns of the event loop came no later than this, in the last 10 s or more.",
  },
  iscep_event_loop_delay_max_seconds: {
    type: "gauge",
    labels: [],
    help: "The latest turn of the event loop in the last 10 s or more.",
  },
  iscep_info: { type: "gauge", labels: ["version", "node"], help: "1, with the versions of iscep and Node.js." },
  process_start_time_seconds: { type: "gauge", labels: [], help: "When the process started, as Unix time." },
  process_cpu_seconds_total: {
    type: "counter",
    labels: [],
    help: "Time of computing, of the process and the system for it.",
  },
  process_resident_memory_bytes: { type: "gauge", labels: [], help: "Memory of the process." },
} as const satisfies Readonly<Record<string, MetricKind>>;

export type MetricName = keyof typeof metricTable;

/** The upper bounds of the buckets of durations, in seconds. */
export const durationBuckets = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 3_600,
] as const;
