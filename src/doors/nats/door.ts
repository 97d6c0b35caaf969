/** Makes a server an instance of a service on a broker of NATS. */
import { IscepError, toIscepError } from "../../errors.js";
import { formatService } from "../../nats/address.js";
import type { Beat, InstanceState } from "../../nats/beat.js";
import { Broker } from "../../nats/broker.js";
import { newId } from "../../nats/subjects.js";
import { packageVersion } from "../../version.js";
import type { ScheduleClaim, ScheduledTime } from "../../schedule/shared-times.js";
import type { BuiltInDoorServer, ScheduleClaims as ClaimingDoor } from "../built-in-door.js";
import type { Door } from "../door.js";
import { openBeats } from "./parts/beats.js";
import { brokerAtLast } from "./parts/broker-at-last.js";
import { openLinks } from "./parts/links.js";
import type { NatsPart, OpenNatsPart } from "./parts/part.js";
import { OtherInstances } from "./parts/other-instances.js";
import { openQueueWork } from "./queue/work.js";
import { ScheduleClaims } from "./queue/schedule-claims.js";
import { openService } from "./service/service.js";
import { checkAccess, checkNatsSettings, type NatsPlace, type NatsSettings } from "./parts/settings.js";

export { isNatsAnswer, natsProof, type NatsAnswer, type NatsProofOptions } from "../../nats/request-header.js";
export type { NatsSettings } from "./parts/settings.js";
export type { NatsCredentials, NatsTlsFiles } from "../../nats/credentials.js";

/**
 * The parts are opened in this order, so that an instance tells of itself only when it can be called. They are closed
 * in the reverse order.
 */
const parts: readonly OpenNatsPart[] = [openLinks, openService, openQueueWork, openBeats];

/** Other faults than these two do not go away by waiting. */
const isForGood = ({ code }: IscepError): boolean => code !== "connect_failed" && code !== "timeout";

/**
 * Makes a door for NATS: `new Server({ doors: [natsDoor({ url: "nats://HOST", name: "world" })] })`. The server waits
 * for a broker that is not there, also at the start, and `/readyz` says so.
 * @throws IscepError `usage` for an option that does not exist, or a wrong address or name
 */
export function natsDoor(settings: NatsSettings): Door {
  return new NatsDoor(settings, checkNatsSettings(settings));
}

class NatsDoor implements Door, ClaimingDoor {
  readonly #settings: NatsSettings;
  readonly #place: NatsPlace;
  readonly #closed = new AbortController();
  #server: BuiltInDoorServer | undefined;
  #instance = "";
  #startedAt = 0;
  #broker: Broker | undefined;
  #parts: readonly NatsPart[] = [];
  #state: "open" | "draining" | "left" = "open";
  #others: OtherInstances | undefined;
  #schedules: ScheduleClaims | undefined;
  /** Why no caller gets through now. undefined: callers do. */
  #lost: string | undefined;
  #waiting: Promise<void> | undefined;

  constructor(settings: NatsSettings, place: NatsPlace) {
    this.#settings = settings;
    this.#place = place;
  }

  async open(server: BuiltInDoorServer): Promise<{ url: string }> {
    const { address, service } = this.#place;
    checkAccess(server, address);
    this.#server = server;
    this.#instance = newId();
    this.#startedAt = Date.now();
    try {
      await this.#opened(await Broker.open(this.#brokerOptions(server)));
    } catch (error) {
      const fault = toIscepError(error, "connect_failed");
      if (isForGood(fault)) throw fault;
      this.#isLost(fault);
      this.#waiting = this.#wait(server);
    }
    return { url: formatService(address, service) };
  }

  #brokerOptions(server: BuiltInDoorServer): Parameters<typeof Broker.open>[0] & { signal: AbortSignal } {
    const { address, service } = this.#place;
    const { url: _url, name: _name, allowCleartext: _allowed, ...credentials } = this.#settings;
    const { limits } = server;
    return { ...credentials, address, name: `iscep ${service} ${this.#instance}`, limits, signal: this.#closed.signal };
  }

  async #wait(server: BuiltInDoorServer): Promise<void> {
    const broker = await brokerAtLast(this.#brokerOptions(server), (error) => this.#isLost(error));
    if (broker === undefined) return;
    if (this.#closed.signal.aborted) return broker.close();
    await this.#opened(broker);
    if (broker.isConnected) this.#isBack();
  }

  /**
   * Resolves when callers get through, because the broker knows what this instance listens for, or when it has not said so
   * in time.
   */
  async #opened(broker: Broker): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#broker = broker;
    broker.listen({
      lost: (error) => this.#isLost(error),
      back: () => this.#isBack(),
      fault: (error) => server.report(error.message, error),
    });
    const { service } = this.#place;
    const others = new OtherInstances(broker, service, this.#instance, server.limits);
    this.#others = others;
    const context = { others, server, broker, service, instance: this.#instance, beat: () => this.#beat(server) };
    this.#schedules = new ScheduleClaims(context);
    this.#parts = parts.map((open) => open(context));
    if (this.#state === "draining") for (const part of this.#parts) void part.drain();
    await broker.flushed();
  }

  #isLost(error: IscepError): void {
    if (this.#lost === undefined && !this.#closed.signal.aborted) this.#server?.report(error.message, error);
    this.#lost = error.message;
  }

  #isBack(): void {
    this.#lost = undefined;
    this.#server?.report(`the broker at ${this.#place.address.servers.join(",")} is there again`);
  }

  #beat(server: BuiltInDoorServer): Beat {
    const { state, running, waiting, places, commands } = server.load();
    const own: InstanceState | undefined = this.#state === "open" ? undefined : this.#state;
    return {
      instance: this.#instance,
      version: packageVersion,
      startedAt: this.#startedAt,
      state: own ?? (state === "closing" ? "draining" : state),
      running,
      waiting,
      places,
      commands,
    };
  }

  async claimSchedule(time: ScheduledTime): Promise<ScheduleClaim> {
    if (this.#schedules === undefined) throw new IscepError("busy", this.#lost ?? "the broker was not there yet");
    return this.#schedules.claim(time);
  }

  unready(): string | undefined {
    return this.#lost;
  }

  /** The sessions over links belong to the server, which waits for them itself. */
  async drain(): Promise<void> {
    this.#state = "draining";
    await Promise.all(this.#parts.map(async (part) => part.drain()));
  }

  async close(): Promise<void> {
    this.#state = "left";
    this.#closed.abort();
    await this.#waiting;
    await Promise.all(this.#parts.toReversed().map(async (part) => part.close()));
    this.#others?.close();
    await this.#broker?.close();
  }
}
