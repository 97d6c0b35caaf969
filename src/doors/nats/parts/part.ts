/** The door of NATS consists of parts: links, beats, the service of ADR-32. Each begins when the broker is there for the first time. */
import type { Broker } from "../../../nats/broker.js";
import type { Beat } from "../../../nats/beat.js";
import type { BuiltInDoorServer } from "../../built-in-door.js";
import type { OtherInstances } from "./other-instances.js";

export interface NatsPartContext {
  readonly server: BuiltInDoorServer;
  readonly broker: Broker;
  readonly service: string;
  /** The id of this server, as long as it lives. */
  readonly instance: string;
  readonly others: OtherInstances;
  /** What this instance tells of itself now. */
  readonly beat: () => Beat;
}

export interface NatsPart {
  /** Takes no new callers. */
  drain(): void | Promise<void>;
  /** Takes nothing more. What it publishes meanwhile is still sent. */
  close(): void | Promise<void>;
}

export type OpenNatsPart = (context: NatsPartContext) => NatsPart;
