/** One client in front of all instances of a service. Each call goes to one of them, or to those that its options say. */
import { IscepError, toIscepError, type ErrorCode } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import type { CallerRecord } from "../../model/caller-record.js";
import type { CommandDescription } from "../../model/command.js";
import type { RunsPage } from "../../model/run-record.js";
import type { ScheduleRecord } from "../../model/schedule-record.js";
import type { Beat } from "../../nats/beat.js";
import type { ConnectionEvents } from "../protocol/connection-events.js";
import type { AllRuns, ClusterCalls, InstanceRecord } from "../protocol/instances.js";
import { negotiate } from "../protocol/negotiate.js";
import type { AllOptions, AttachOptions, CallOptions, RunOptions, RunsOptions } from "../protocol/options.js";
import type { ProtocolClient } from "../protocol/protocol-client.js";
import type { RunHandle } from "../protocol/run-handle.js";
import { openVersion2, type GreetedStream } from "../version2/open.js";
import type { Version2ProtocolClient } from "../version2/protocol-client.js";
import { EveryRun } from "./all-runs.js";
import { ClusterCall } from "./cluster-call.js";
import { clusterRun } from "./cluster-run.js";
import { checkDurable, durableRun, foundRun, runInQueue, type FindingOptions } from "./durable-run.js";
import { HandedRun } from "./handed-run.js";
import type { ClusterHost } from "./host.js";
import type { Member } from "./member.js";
import { Members } from "./members.js";
import { Placement } from "./placement.js";
import { decodePositions, mergeByName, mergePages, type Positions } from "./runs-pages.js";
import type { DurableCalls, Service } from "./service.js";
import { WaitingCalls } from "./waiting-calls.js";
import { Whereabouts, type Found } from "./whereabouts.js";

export interface ClusterClientOptions {
  readonly service: Service;
  readonly limits: Limits;
  readonly token: string | undefined;
  readonly timeoutMs: number;
  /** True when the user gave `timeoutMs`, so that instances are told. */
  readonly timeoutIsGiven: boolean;
  readonly events: ConnectionEvents;
}

/** An instance that fails with one of these is gone, and is left out of the answers of all instances. */
const goneCodes: ReadonlySet<ErrorCode> = new Set(["connect_failed", "lost", "closed"]);

const noQueue: Pick<DurableCalls, "state"> = { state: async () => ({ state: "unknown" }) };

export class ClusterClient implements ProtocolClient, ClusterHost, ClusterCalls {
  readonly version = 2;
  readonly cluster: ClusterCalls = this;
  readonly members: Members;
  readonly waiting = new WaitingCalls();
  readonly maxCallMoves: number;
  readonly #options: ClusterClientOptions;
  readonly #whereabouts: Whereabouts;
  readonly #closed = new AbortController();
  #toldLost = false;

  constructor(options: ClusterClientOptions) {
    const { service, limits, events } = options;
    this.#options = options;
    this.maxCallMoves = limits.maxCallMoves;
    this.members = new Members({
      service,
      limits,
      open: (member) => this.#open(member),
      room: (member) => this.waiting.offer(member),
      lost: (error) => {
        this.#toldLost = [...this.members].some(({ own }) => own > 0);
        if (this.#toldLost) events.tell("reconnecting", error);
      },
      back: () => {
        if (this.#toldLost) events.tell("connected");
        this.#toldLost = false;
      },
    });
    this.#whereabouts = new Whereabouts(this.members, limits.maxRememberedRuns);
  }

  #open(member: Member): Version2ProtocolClient {
    const { limits, token, timeoutMs, timeoutIsGiven } = this.#options;
    return openVersion2({
      limits,
      token,
      timeoutMs,
      timeoutIsGiven,
      hasOthers: true,
      greet: (abandoned) => this.#greet(member, abandoned),
    });
  }

  /** @throws IscepError `not_trusted`, and `connect_failed` for all else, because nothing of a call was sent by then */
  async #greet(member: Member, abandoned: AbortSignal): Promise<GreetedStream> {
    const { limits, service } = this.#options;
    try {
      const socket = await service.dial(member.instance, abandoned);
      const negotiated = await negotiate(socket, {
        limits,
        timeoutMs: limits.connectTimeoutMs,
        ...(service.carrier === undefined ? {} : { carrier: service.carrier }),
        signal: abandoned,
      });
      return { socket, negotiated };
    } catch (thrown) {
      const error = toIscepError(thrown, "connect_failed");
      if (error.code === "not_trusted") throw error;
      const reason = `the instance ${member.instance} cannot be reached: ${error.message}`;
      throw new IscepError("connect_failed", reason, { cause: error });
    }
  }

  nobody(): IscepError {
    // Such instances are there, but are not tried again at once.
    for (const { vainError } of this.members) if (vainError !== undefined) return vainError;
    const { name } = this.#options.service;
    return new IscepError("connect_failed", `no instance of "${name}" is there; check its name, and that it runs`);
  }

  isAt(run: string, member: Member): void {
    this.#whereabouts.isAt(run, member);
  }

  place(options: CallOptions | undefined): Placement | Promise<Placement> {
    const { to = "any", wait = true, idempotencyKey } = options ?? {};
    if (to === "all") {
      throw new IscepError("usage", "a call to all instances has many outcomes; make it with client.all()");
    }
    if (to !== "any") return this.#placeAt(to, wait);
    if (options !== undefined && idempotencyKey !== undefined) return this.#placeByKey(options, wait);
    for (const member of this.members) if (member.isProven && member.isThere) return new Placement(this.members, wait);
    return this.members.proven().then(() => new Placement(this.members, wait));
  }

  async #placeAt(instance: string, wait: boolean): Promise<Placement> {
    const isIt = (member: Member): boolean => member.instance === instance && member.isThere;
    if (this.members.find(instance)?.isThere !== true) await this.members.some(isIt);
    const member = this.members.find(instance);
    if (member !== undefined) return new Placement(this.members, wait, { members: [member] });
    const { name } = this.#options.service;
    throw new IscepError("connect_failed", `"${name}" has no instance ${instance} now; \`iscep instances\` lists them`);
  }

  async #placeByKey(options: CallOptions, wait: boolean): Promise<Placement> {
    const member = await this.#whereabouts.ofKey(options);
    return new Placement(this.members, wait, {
      members: member === undefined ? [] : [member],
      tried: (at) => this.#whereabouts.triedAt(options, at),
      refused: (error) => this.#whereabouts.refused(options, error),
    });
  }

  call(command: string, args: unknown, options: CallOptions | undefined): Promise<unknown> {
    return new ClusterCall(this, command, args, options).promise;
  }

  run(command: string, args: unknown, options: RunOptions | undefined): RunHandle {
    return options?.durable === true
      ? this.#durableRun(command, args, options)
      : clusterRun(this, command, args, options);
  }

  #durableRun(command: string, args: unknown, options: RunOptions): RunHandle {
    const { durable } = this.#options.service;
    const finding = this.#finding(options);
    const submit = async (): Promise<string> => {
      checkDurable(options);
      if (durable === undefined) throw new IscepError("usage", "this service has no queue for durable calls");
      return durable.submit(command, args, options, finding.token);
    };
    const submitted = submit();
    const { durable: _durable, detach: _detach, idempotencyKey: _key, ...following } = options;
    const attach = (run: string): Promise<RunHandle> => this.#attached(run, following);
    return durableRun({ ...finding, command, submitted, attach });
  }

  /** The options for finding a call that may be in the queue. */
  #finding({ token = this.#options.token, signal }: CallOptions = {}): Omit<FindingOptions, "attach" | "isPatient"> {
    const { durable = noQueue } = this.#options.service;
    return { durable, token: token ?? undefined, signal, closed: this.#closed.signal };
  }

  async #attached(run: string, options: AttachOptions): Promise<RunHandle> {
    const { member } = await this.#whereabouts.ofRun(run, options);
    return member.client.attach(run, options);
  }

  all(command: string, args: unknown, options: AllOptions | undefined): AllRuns {
    return new EveryRun(async () => {
      const members = await this.members.all();
      if (members.length === 0) throw this.nobody();
      return members
        .sort((a, b) => (a.instance < b.instance ? -1 : 1))
        .map(({ instance }) => ({ instance, run: this.run(command, args, { ...options, to: instance }) }));
    });
  }

  async instances(): Promise<InstanceRecord[]> {
    return (await this.members.all())
      .map(({ beat }) => recordOf(beat))
      .sort((a, b) => (a.instance < b.instance ? -1 : 1));
  }

  attach(run: string, options: AttachOptions): RunHandle {
    return new HandedRun({
      ends: false,
      next: async (refused) => {
        if (refused !== undefined) return refused;
        const attach = (id: string): Promise<RunHandle> => this.#attached(id, options);
        return foundRun(run, { ...this.#finding(options), attach, isPatient: false });
      },
    });
  }

  /** @throws IscepError that says what is known of a run that no instance has: it may be in the queue */
  async #found(run: string, options: CallOptions | undefined): Promise<Found> {
    try {
      return await this.#whereabouts.ofRun(run, options);
    } catch (thrown) {
      const { durable, token } = this.#finding(options);
      const other = await runInQueue(run, toIscepError(thrown), () => durable.state(run, token));
      return this.#whereabouts.ofRun(other, options);
    }
  }

  async cancel(run: string, options: CallOptions | undefined): Promise<void> {
    const { member, page } = await this.#found(run, options);
    // A durable call may have joined another run, by its idempotency key.
    await member.client.cancel(page.runs[0]?.run ?? run, options);
  }

  async runs(options: RunsOptions | undefined): Promise<RunsPage> {
    const { run, idempotencyKey, after, limit = Number.POSITIVE_INFINITY, ...query } = options ?? {};
    if (run !== undefined) return (await this.#found(run, options)).page;
    const present = await this.members.all();
    const members = await this.members.answering(present);
    if (idempotencyKey !== undefined) {
      const pages = await this.#ofAll(members, (member) => member.client.runs({ ...query, idempotencyKey }));
      return { runs: [...pages.values()].flatMap(({ runs }) => runs).slice(0, 1) };
    }
    const before: Positions =
      after === undefined ? new Map(present.map(({ instance }) => [instance, undefined])) : decodePositions(after);
    const asked = members.filter(({ instance }) => before.has(instance));
    const pages = await this.#ofAll(asked, (member) => {
      const from = before.get(member.instance);
      const most = Number.isFinite(limit) ? { limit } : {};
      return member.client.runs({ ...query, ...most, ...(from === undefined ? {} : { after: from }) });
    });
    const missing = present.map(({ instance }) => instance).filter((one) => before.has(one) && !pages.has(one));
    return mergePages(pages, before, limit, missing);
  }

  /** The answers of these instances, without those that are gone. @throws IscepError when one refuses, or none answers */
  async #ofAll<Answer>(
    members: readonly Member[],
    ask: (member: Member) => Promise<Answer>,
  ): Promise<ReadonlyMap<string, Answer>> {
    const answers = new Map<string, Answer>();
    let gone: IscepError | undefined;
    await Promise.all(
      members.map(async (member) => {
        try {
          answers.set(member.instance, await ask(member));
        } catch (thrown) {
          gone = toIscepError(thrown);
          if (!goneCodes.has(gone.code)) throw gone;
        }
      }),
    );
    if (answers.size === 0 && members.length > 0 && gone !== undefined) throw gone;
    if (answers.size === 0 && this.members.size === 0) throw this.nobody();
    return answers;
  }

  async list(options: CallOptions | undefined): Promise<CommandDescription[]> {
    const lists = await this.#ofAll(await this.members.known(), (member) => member.client.list(options));
    return mergeByName([...lists.values()], ({ name }) => name);
  }

  async schedules(options: CallOptions | undefined): Promise<ScheduleRecord[]> {
    const members = await this.members.answering(await this.members.all());
    const lists = await this.#ofAll(members, (member) => member.client.schedules(options));
    // All instances plan the same times, and one of them has started the newest run.
    const newestFirst = [...lists.values()]
      .flat()
      .sort((a, b) => (b.last?.startedAtMs ?? 0) - (a.last?.startedAtMs ?? 0));
    const merged = mergeByName([newestFirst], ({ command }) => command);
    return merged.sort((a, b) => (a.command < b.command ? -1 : 1));
  }

  whoAmI(options: CallOptions | undefined): Promise<CallerRecord> {
    return this.#anywhere(options, (member) => member.client.whoAmI(options));
  }

  echo(value: unknown, options: CallOptions | undefined): Promise<unknown> {
    return this.#anywhere(options, (member) => member.client.echo(value, options));
  }

  /** For requests that change nothing, so that another instance may be asked after one that went away. */
  async #anywhere<Answer>(options: CallOptions | undefined, ask: (member: Member) => Promise<Answer>): Promise<Answer> {
    const placement = await this.place({ ...(options?.to === undefined ? {} : { to: options.to }), wait: true });
    for (let next = placement.next(); next !== undefined; next = placement.next()) {
      if (next === "ask") {
        await this.members.askStrangers();
        continue;
      }
      try {
        return await ask(next.member);
      } catch (thrown) {
        const error = toIscepError(thrown);
        const gone = goneCodes.has(error.code)
          ? new IscepError("connect_failed", error.message, { cause: error })
          : error;
        if (!placement.refused(next.member, gone)) throw error;
      }
    }
    throw placement.error ?? this.nobody();
  }

  async close(): Promise<void> {
    this.#closed.abort("the client is closed");
    this.#options.events.tell("closed");
    await this.members.close();
  }
}

function recordOf(beat: Beat): InstanceRecord {
  const { instance, version, startedAt, state, running, waiting, places, commands } = beat;
  const shown = state === "left" ? "draining" : state;
  return { instance, version, startedAtMs: startedAt, state: shown, running, waiting, places, commands };
}
