import type { TlsOptions } from "node:tls";

export function serve(options: {
  readonly token?: string | undefined;
  readonly secure: TlsOptions | false;
}): Promise<{ readonly port: number; cut(): void; close(): Promise<void> }>;
