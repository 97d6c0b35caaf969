import type { TlsOptions } from "node:tls";

export function serve(options: {
  readonly token?: string | undefined;
  readonly secure: TlsOptions | false;
  /** Chosen whatever was offered. */
  readonly hash?: string;
  /** Further fields of HELLO. */
  readonly says?: object;
}): Promise<{
  readonly port: number;
  readonly hellos: readonly {
    readonly client: Readonly<Record<string, unknown>>;
    readonly server: Readonly<Record<string, unknown>>;
  }[];
  /** The methods of notifications that it does not know. */
  readonly unknown: readonly string[];
  cut(): void;
  close(): Promise<void>;
}>;
