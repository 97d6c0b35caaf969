import { readFileSync } from "node:fs";

/** Exchanges recorded from the original (PROTOCOL.md, "Vectors"). */
export interface VectorFrame {
  readonly size: number;
  readonly type: number;
  readonly type_name: string;
  readonly body_utf8?: string;
  readonly checksum: string;
  readonly checksum_ok: boolean;
  readonly content?: Record<string, unknown>;
}

export interface VectorBytes {
  readonly hex: string;
  readonly frames: readonly VectorFrame[];
}

export interface VectorExchange {
  readonly id: string;
  readonly description: string;
  /** There where ours may answer otherwise, but has to answer or close. */
  readonly note?: string;
  readonly client_to_server: VectorBytes;
  readonly server_to_client: VectorBytes | null;
  readonly server_closes_connection: boolean;
}

interface VectorFile {
  readonly server: { readonly tokens: Readonly<Record<string, string>> };
  readonly exchanges: readonly VectorExchange[];
  readonly packets: readonly { readonly id: string; readonly description: string; readonly encoded: VectorBytes }[];
}

export const vectors = JSON.parse(readFileSync(new URL("../vectors/v1.json", import.meta.url), "utf8")) as VectorFile;
