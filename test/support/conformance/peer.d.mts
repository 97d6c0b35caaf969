/** What the tests know of the peer, which itself is plain JavaScript. */
import type { Duplex } from "node:stream";
import type { ConnectionOptions } from "node:tls";

export interface ServerHello {
  readonly authentication: string;
  readonly hash?: string;
  readonly binding?: string;
  readonly limits: Readonly<Record<string, number>>;
}

export interface OutputPiece {
  readonly channel: string;
  readonly offset: number;
  readonly bytes: Buffer;
}

/** Of any method. */
export type Result = Readonly<Record<string, unknown>>;

export interface Followed {
  readonly id: number;
  readonly answer: Promise<Result>;
  readonly started: Promise<string>;
  readonly progress: readonly { readonly fraction: number; readonly message?: string }[];
  output(offset?: number): AsyncIterable<OutputPiece>;
  sendInput(bytes: Buffer, options?: { readonly end?: boolean }): Promise<void>;
}

export class AnswerError extends Error {
  readonly number: number;
  readonly data: Record<string, unknown>;
}

export class Peer {
  static connect(options: {
    port: number | undefined;
    path?: string;
    tls: ConnectionOptions | false;
    stream?: Duplex;
    subject?: string;
    token?: string;
    asks?: { readonly hashes?: readonly string[]; readonly bindings?: readonly string[] };
  }): Promise<Peer>;
  readonly hello: ServerHello;
  readonly owner: string | undefined;
  readonly goaway: { readonly code: string; readonly message: string } | undefined;
  readonly closed: Promise<void>;
  /** All that came. */
  readonly notifications: readonly { readonly method: string; readonly params: unknown }[];
  request(method: string, params: object): Promise<Result>;
  notify(method: string, params: object): void;
  sendData(stream: number, offset: number, bytes: Buffer): void;
  send(...messages: readonly object[]): void;
  all(requests: readonly (readonly [method: string, params: object])[]): Promise<PromiseSettledResult<Result>[]>;
  follow(method: string, params: object): Followed;
  end(): Promise<void>;
}

export function secretOf(token: string): string;

export function proofs(
  token: string,
  clientHello: Buffer,
  serverHello: Buffer,
  binding: Buffer,
): { readonly reference: string; readonly clientProof: Buffer; readonly serverProof: Buffer };
