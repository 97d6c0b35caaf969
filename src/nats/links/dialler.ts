/** The client's side of links. Opens links to single instances of a service, all over one connection to the broker. */
import type { Msg } from "@nats-io/transport-node";
import { randomBytes } from "node:crypto";
import { IscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import type { Broker } from "../broker.js";
import { Link, type LinkCarrier } from "./link.js";
import { LinkWindows } from "./windows.js";
import { subjects } from "../subjects.js";

export class LinkDialler {
  readonly #broker: Broker;
  readonly #service: string;
  readonly #limits: Limits;
  readonly #windows: LinkWindows;
  readonly #inbox: string;
  readonly #links = new Map<string, DialledLink>();
  readonly #stop: () => void;

  /** @param inboxPrefix as in the credentials for the broker */
  constructor(broker: Broker, service: string, limits: Limits, inboxPrefix = "_INBOX") {
    this.#broker = broker;
    this.#service = service;
    this.#limits = limits;
    this.#windows = new LinkWindows(limits.natsWindowsBytes);
    this.#inbox = `${inboxPrefix}.${randomBytes(16).toString("hex")}`;
    const subscription = broker.subscribe(`${this.#inbox}.*`, (message) => {
      const link = this.#links.get(message.subject.slice(this.#inbox.length + 1));
      // The broker answers with this code when nobody listens there (ADR-17 of NATS).
      if (message.headers?.code === 503) link?.unheard();
      else link?.receive(message);
    });
    const unlisten = broker.listen({
      lost: (error) => this.breakAll(error),
      fault: (error) => this.#refused(error),
      room: () => {
        for (const { link } of this.#links.values()) link.proceed();
      },
    });
    this.#stop = () => {
      unlisten();
      subscription.unsubscribe();
    };
  }

  /** A stream of bytes to this instance. The stream can be used at once. It breaks soon when the instance is not there. */
  open(instance: string): Link {
    const id = randomBytes(9).toString("hex");
    const dialled = new DialledLink(
      this.#broker,
      subjects.session(this.#service, instance),
      subjects.link(this.#service, instance, ""),
      `${this.#inbox}.${id}`,
      () => this.#links.delete(id),
    );
    dialled.link = new Link(dialled, this.#windows, this.#limits);
    this.#links.set(id, dialled);
    if (!this.#broker.isConnected) {
      dialled.link.break(new IscepError("lost", `the broker at ${this.#broker.where} is not there now`));
    }
    return dialled.link;
  }

  /** All links to this instance end with this error. */
  breakTo(instance: string, error: IscepError): void {
    const to = subjects.session(this.#service, instance);
    for (const dialled of this.#links.values()) if (dialled.session === to) dialled.link.break(error);
  }

  breakAll(error: IscepError): void {
    for (const { link } of this.#links.values()) link.break(error);
  }

  /** A refusal names the subject in its text. A refusal of our inbox concerns all links. */
  #refused(error: IscepError): void {
    for (const { link, session } of this.#links.values()) {
      if (error.message.includes(session) || error.message.includes(this.#inbox)) link.break(error);
    }
  }

  close(): void {
    this.breakAll(new IscepError("closed", "the client was closed"));
    this.#stop();
  }
}

class DialledLink implements LinkCarrier {
  link!: Link;
  readonly session: string;
  readonly #broker: Broker;
  readonly #linkPrefix: string;
  readonly #inbox: string;
  readonly #forget: () => void;
  #hasBegun = false;
  /** Where the instance takes what follows the first message. */
  #subject: string | undefined;

  constructor(broker: Broker, session: string, linkPrefix: string, inbox: string, forget: () => void) {
    this.#broker = broker;
    this.session = session;
    this.#linkPrefix = linkPrefix;
    this.#inbox = inbox;
    this.#forget = forget;
  }

  get maxMessageBytes(): number {
    return this.#broker.maxPayloadBytes;
  }

  get hasRoom(): boolean {
    return (this.#subject !== undefined || !this.#hasBegun) && this.#broker.hasRoom;
  }

  /** The broker answers on our inbox when nobody listens to what we send. */
  send(message: Buffer): void {
    if (this.#subject !== undefined) this.#broker.publish(this.#subject, message, this.#inbox);
    else if (!this.#hasBegun) {
      this.#hasBegun = true;
      this.#broker.publish(this.session, message, this.#inbox);
    }
  }

  farewell(message: Buffer): void {
    // An instance that has not answered may have taken the first message all the same. It will find that nobody listens.
    if (this.#subject !== undefined) this.#broker.farewell(this.#subject, message);
  }

  /** A field of a message is decoded only when it is read, so what is not needed is not read. */
  receive(message: Pick<Msg, "data" | "reply">): void {
    if (this.#subject !== undefined) {
      this.link.receive(message.data);
      return;
    }
    const { data, reply } = message;
    if (reply?.startsWith(this.#linkPrefix) === true) this.#subject = reply;
    this.link.receive(data);
    this.link.proceed();
  }

  unheard(): void {
    this.link.break(
      this.#subject === undefined
        ? new IscepError("connect_failed", "the instance is not there any more; ask again which instances there are")
        : new IscepError("lost", "the instance is gone"),
    );
  }

  ended(): void {
    this.#forget();
  }
}
