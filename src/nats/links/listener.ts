/** The instance's side of links. Takes the links that clients open. */
import type { Subscription } from "@nats-io/transport-node";
import { IscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import type { Broker } from "../broker.js";
import { Link, type LinkCarrier } from "./link.js";
import { breakMessage } from "./message.js";
import { LinkWindows } from "./windows.js";
import { Rate } from "../rate.js";
import { isInbox, newId, subjects } from "../subjects.js";

export class LinkListener {
  readonly #broker: Broker;
  readonly #service: string;
  readonly #instance: string;
  readonly #session: string;
  readonly #limits: Limits;
  readonly #accept: (link: Link) => void;
  readonly #windows: LinkWindows;
  readonly #links = new Map<string, Link>();
  readonly #arrivals: Rate;
  /** Answers to clients that have no link. */
  readonly #words: Rate;
  readonly #opened: Subscription;
  #isAccepting = true;
  readonly #stop: () => void;

  /** @param accept takes a new link; nothing has come on it yet */
  constructor(broker: Broker, service: string, instance: string, limits: Limits, accept: (link: Link) => void) {
    this.#broker = broker;
    this.#service = service;
    this.#instance = instance;
    this.#limits = limits;
    this.#accept = accept;
    this.#windows = new LinkWindows(limits.natsWindowsBytes);
    this.#arrivals = new Rate(limits.natsMaxLinksPerSecond);
    this.#words = new Rate(limits.natsMaxLinksPerSecond);
    this.#session = subjects.session(service, instance);
    const opened = broker.subscribe(this.#session, ({ data, reply }) => {
      // This check comes before anything is made, because a flood of new links must cost next to nothing.
      if (!this.#arrivals.take())
        this.#say(reply, `the server takes ${limits.natsMaxLinksPerSecond} new links a second; try again later`);
      else if (!this.#isAccepting) this.#say(reply, "the server closes");
      else if (isInbox(reply)) this.#open(data, reply);
    });
    this.#opened = opened;
    const prefix = subjects.link(service, instance, "");
    const messages = broker.subscribe(`${prefix}*`, (message) => {
      // A field of a message is decoded only when it is read, so what is not needed is not read.
      const link = this.#links.get(message.subject.slice(prefix.length));
      if (message.headers?.code === 503) link?.break(new IscepError("lost", "the client is gone"));
      else if (link !== undefined) link.receive(message.data);
      else this.#say(message.reply, "there is no such link any more");
    });
    const unlisten = broker.listen({
      lost: (error) => this.breakAll(error),
      room: () => {
        for (const link of this.#links.values()) link.proceed();
      },
    });
    this.#stop = () => {
      unlisten();
      messages.unsubscribe();
    };
  }

  /** Callers beyond the rate get no answer. */
  #say(inbox: string | undefined, reason: string): void {
    if (this.#words.take() && isInbox(inbox)) this.#broker.publish(inbox, breakMessage(reason));
  }

  #open(data: Uint8Array, inbox: string): void {
    const id = newId();
    const subject = subjects.link(this.#service, this.#instance, id);
    const carrier = new AcceptedLink(this.#broker, this.#session, inbox, subject, () => this.#links.delete(id));
    const link = new Link(carrier, this.#windows, this.#limits);
    this.#links.set(id, link);
    this.#accept(link);
    // The client learns at once where it may send more.
    link.greet();
    link.receive(data);
  }

  breakAll(error: IscepError): void {
    for (const link of this.#links.values()) link.break(error);
  }

  get size(): number {
    return this.#links.size;
  }

  /**
   * Clients whose links are on their way are told that the server closes. Afterwards the broker tells new ones at once
   * that this instance is not there.
   */
  stopAccepting(): Promise<void> {
    this.#isAccepting = false;
    return this.#broker.leave([this.#opened]);
  }

  close(): void {
    this.breakAll(new IscepError("closed", "the server was closed"));
    if (!this.#broker.connection.isClosed()) this.#stop();
  }
}

class AcceptedLink implements LinkCarrier {
  readonly session: string;
  readonly #broker: Broker;
  readonly #inbox: string;
  readonly #subject: string;
  readonly #forget: () => void;

  constructor(broker: Broker, session: string, inbox: string, subject: string, forget: () => void) {
    this.#broker = broker;
    this.session = session;
    this.#inbox = inbox;
    this.#subject = subject;
    this.#forget = forget;
  }

  get maxMessageBytes(): number {
    return this.#broker.maxPayloadBytes;
  }

  get hasRoom(): boolean {
    return this.#broker.hasRoom;
  }

  send(message: Buffer): void {
    this.#broker.publish(this.#inbox, message, this.#subject);
  }

  farewell(message: Buffer): void {
    this.#broker.farewell(this.#inbox, message, this.#subject);
  }

  ended(): void {
    this.#forget();
  }
}
