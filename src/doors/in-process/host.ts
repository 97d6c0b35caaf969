import type { Metrics } from "../../metrics/metrics.js";
import type { DoorHost } from "../connection.js";

/** A session that can be ended when its token is removed. */
export interface InProcessSession {
  /** Called by the server's sweep. */
  check(nowMs: number): void;
}

/** What a server has for callers in its own process, when it listens. */
export interface InProcessHost extends DoorHost {
  /** True when this source has recently sent too many wrong tokens. */
  isPenalised(source: string): boolean;
  readonly metrics: Metrics;
  /** What was counted, as text for Prometheus. Check first who asks. */
  readMetrics(): string;
  /** Sessions whose runs go on. The server's sweep makes them check their tokens. */
  readonly inProcess: Set<InProcessSession>;
}
