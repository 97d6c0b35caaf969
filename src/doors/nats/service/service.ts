/** The service of ADR-32: `nats micro` finds it, and callers without a session call its endpoints. */
import { setTimeout as pause } from "node:timers/promises";
import type { Msg, MsgHdrs, Subscription } from "@nats-io/transport-node";
import { IscepError, toIscepError } from "../../../errors.js";
import { callSubjects, commandOf, queueGroup } from "../../../nats/call-subjects.js";
import type { Beat } from "../../../nats/beat.js";
import { isInbox, natsSource } from "../../../nats/subjects.js";
import { packageVersion } from "../../../version.js";
import { HandOver } from "./hand-over.js";
import { belongsToGroup } from "../parts/other-instances.js";
import type { NatsPart, NatsPartContext } from "../parts/part.js";
import { ServiceCounts } from "./counts.js";
import { endpointsOf, infoText, pingText, statsText, type Endpoint, type ServiceFacts } from "./info.js";
import { Rate } from "../../../nats/rate.js";
import { headerOf, proofName, readServiceMessage } from "./message.js";
import { headerRoomBytes, type ServiceReply } from "./reply.js";
import { ServiceRequests } from "./requests.js";

type MakeHeaders = () => MsgHdrs;

export function openService(context: NatsPartContext): NatsPart {
  return new Service(context);
}

class Service implements NatsPart {
  readonly #context: NatsPartContext;
  readonly #facts: ServiceFacts;
  readonly #counts = new ServiceCounts();
  readonly #discoveries: Rate;
  readonly #requests: ServiceRequests;
  readonly #subscriptions: Subscription[];
  readonly #unlisten: readonly (() => void)[];
  #endpoints: readonly Endpoint[];
  #makeHeaders: MakeHeaders | undefined;
  /** The instances take requests from one group, so that each request reaches one of them. */
  #group: Subscription | undefined;
  /** Resolves when nothing of the group is on its way to us any more. */
  #left: Promise<void> | undefined;
  /** Full instances may have left the group to us. It must not be empty before they have heard that we close. */
  #mustStay = true;
  #isReading = false;
  #mustReadAgain = false;

  constructor(context: NatsPartContext) {
    const { broker, server, service, instance } = context;
    this.#context = context;
    this.#facts = { name: service, id: instance, version: packageVersion, metadata: { server: "iscep" } };
    this.#endpoints = endpointsOf(service, server.access === "tokens" ? undefined : []);
    this.#requests = new ServiceRequests({
      context,
      handOver: new HandOver(context),
      send: (subject, reply, proof) => this.#send(subject, reply, proof),
      answered: (command, durationMs, error) => {
        const subject = callSubjects.call(service, command);
        const isShown = this.#endpoints.some((endpoint) => endpoint.subject === subject);
        this.#counts.count(subject, isShown, durationMs, error);
      },
    });
    void import("@nats-io/transport-node").then(({ headers }) => (this.#makeHeaders = headers));
    this.#discoveries = new Rate(server.limits.natsMaxDiscoveriesPerSecond);
    this.#subscriptions = [
      ...this.#discovery(),
      broker.subscribe(`${callSubjects.allTo(service, instance)}>`, (message) =>
        this.#receive(message, callSubjects.allTo(service, instance), true),
      ),
    ];
    this.#unlisten = [
      server.onCommandsChanged(() => this.#read()),
      server.onLoadChanged(() => this.#regroup()),
      context.others.listen(() => this.#regroup()),
    ];
    this.#read();
    this.#regroup();
  }

  #discovery(): Subscription[] {
    const { broker, service, instance } = this.#context;
    const answers = {
      PING: () => pingText(this.#facts),
      INFO: () => infoText(this.#facts, this.#endpoints, broker.maxPayloadBytes),
      STATS: () =>
        statsText(
          this.#facts,
          this.#context.beat().startedAt,
          this.#endpoints,
          ({ subject }) => (this.#context.server.access === "tokens" ? this.#counts.all : this.#counts.of(subject)),
          broker.maxPayloadBytes,
        ),
    };
    return Object.entries(answers).flatMap(([verb, answer]) =>
      ["", `.${service}`, `.${service}.${instance}`].map((target) =>
        broker.subscribe(`$SRV.${verb}${target}`, ({ reply }) => {
          if (this.#discoveries.take() && isInbox(reply)) broker.publish(reply, answer());
        }),
      ),
    );
  }

  /** Reads the list of commands that a caller without a token gets. A change during a reading leads to one more. */
  #read(): void {
    const { server, service } = this.#context;
    if (server.access === "tokens") return;
    this.#mustReadAgain = this.#isReading;
    if (this.#isReading) return;
    this.#isReading = true;
    const client = server.clientOf({ source: natsSource });
    client
      .list()
      .then(
        (descriptions) => {
          this.#endpoints = endpointsOf(service, descriptions);
          this.#counts.keepOnly(new Set(this.#endpoints.map(({ subject }) => subject)));
        },
        (error: unknown) => this.#failed("the list of commands for $SRV.INFO could not be made", error),
      )
      .finally(() => {
        void client.close();
        this.#isReading = false;
        if (this.#mustReadAgain) this.#read();
      })
      .catch(() => {});
  }

  #failed(what: string, error: unknown): void {
    const { code, message } = toIscepError(error);
    if (code !== "closed") this.#context.server.report(`${what}: ${message}`, error);
  }

  #regroup(): void {
    const { broker, server, beat, service, others } = this.#context;
    if (broker.connection.isClosed()) return;
    const isKnown = ({ instance }: Beat): boolean => server.access !== "tokens" || others.isTrusted(instance);
    const own = beat();
    const isLeaving = own.state === "draining" && this.#mustStay;
    const mustBeIn = isLeaving ? this.#group !== undefined : belongsToGroup(own, others.all.filter(isKnown));
    if (mustBeIn === (this.#group !== undefined)) return;
    if (mustBeIn) {
      const prefix = callSubjects.calls(service);
      this.#group = broker.subscribe(`${prefix}>`, (message) => this.#receive(message, prefix, false), queueGroup);
      return;
    }
    // Requests that the broker has already sent us are still handled.
    const group = this.#group;
    this.#group = undefined;
    this.#left = group
      ?.drain()
      .catch((error: unknown) => this.#failed("the group of callers could not be left", error));
  }

  #receive(message: Msg, prefix: string, isDirect: boolean): void {
    const isStranger = this.#context.server.access === "tokens" && headerOf(message.headers, proofName) === undefined;
    if (isStranger && !this.#requests.mayRefuse()) return;
    const read = readServiceMessage(commandOf(message.subject, prefix), message, isDirect);
    if (read !== undefined) this.#requests.receive(read);
  }

  #send(subject: string, { payload, error }: ServiceReply, proof: string | undefined): void {
    const { broker } = this.#context;
    const headers = this.#makeHeaders?.();
    if (error !== undefined) {
      headers?.set("Nats-Service-Error-Code", String(error.status));
      headers?.set("Nats-Service-Error", error.text);
    }
    if (proof !== undefined) headers?.set(proofName, `proof=${proof}`);
    const isTooLong = Buffer.byteLength(payload) + headerRoomBytes > broker.maxPayloadBytes;
    if (isTooLong) this.#failed("an answer was not sent", new IscepError("too_large"));
    else broker.publish(subject, payload, undefined, error === undefined && proof === undefined ? undefined : headers);
  }

  async drain(): Promise<void> {
    const { others, server, broker } = this.#context;
    // Until then what comes is handed over, and waits at one that is full.
    if (broker.isConnected && others.all.some(({ state }) => state === "full")) await pause(server.limits.natsLeaveMs);
    this.#mustStay = false;
    this.#regroup();
    await this.#left;
    await this.#requests.idle();
  }

  /** An instance that has just given us a request must hear that we do not take it, so what is on its way is read. */
  async close(): Promise<void> {
    for (const unlisten of this.#unlisten) unlisten();
    const { broker } = this.#context;
    const group = this.#group === undefined ? [] : [this.#group];
    await broker.leave([...this.#subscriptions, ...group]);
    this.#requests.close();
  }
}
