/** The way to the instances of a service, as a client of many instances needs it. */
import type { IscepError } from "../../errors.js";
import type { Beat } from "../../nats/beat.js";
import type { DurableState } from "../../nats/queue/durable.js";
import type { Carrier } from "../../session/version2-choices.js";
import type { RunOptions } from "../protocol/options.js";
import type { ByteStream } from "../../transport/byte-stream.js";

export interface ServiceListener {
  /** An instance has told of itself. */
  beat(beat: Beat): void;
  /** Nothing can be heard of any instance now. */
  lost(error: IscepError): void;
  /** Beats can be heard again. */
  back(): void;
}

/** Calls that wait in a queue of the broker. */
export interface DurableCalls {
  /** Resolves to the id of the run, when the broker has the call. @throws IscepError */
  submit(command: string, args: unknown, options: RunOptions, token: string | undefined): Promise<string>;
  /** What became of the call; undefined when no instance is there that could know. @throws IscepError */
  state(run: string, token: string | undefined): Promise<DurableState | undefined>;
}

export interface Service {
  /** Default: the service has no queue. */
  readonly durable?: DurableCalls;
  readonly name: string;
  /** What carries the packets. Default: the kind of the stream. */
  readonly carrier?: Carrier;
  /** Why nothing can be heard of any instance; undefined when it can. */
  unreachable(): IscepError | undefined;
  /** Called once, before anything else. */
  listen(listener: ServiceListener): void;
  /** Asks all instances to tell of themselves now. Resolves to false as soon as it is known that there are none. */
  ask(): Promise<boolean>;
  /** Opens a stream of bytes to an instance. @throws IscepError */
  dial(instance: string, abandoned: AbortSignal): Promise<ByteStream> | ByteStream;
  /** Closes what leads to the instances. */
  close(): Promise<void>;
}
