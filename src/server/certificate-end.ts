/** Tells in the log that the server's own certificate ends soon. Tokens are told of in the same way, and as long before. */
import { X509Certificate } from "node:crypto";
import type { Limits } from "../limits/limits.js";
import type { Logs } from "../model/logs.js";
import type { ServerCertificate } from "./server-certificate.js";

type Warning = Pick<Limits, "tokenWarningDays" | "tokenWarningIntervalMs">;

/** When the first certificate of this PEM text ends; undefined: not soon. */
export function nearEnd(certPem: string, { tokenWarningDays }: Pick<Warning, "tokenWarningDays">): string | undefined {
  const endsAtMs = Date.parse(new X509Certificate(certPem).validTo);
  return endsAtMs - Date.now() < tokenWarningDays * 86_400_000 ? new Date(endsAtMs).toISOString() : undefined;
}

export class CertificateEnd {
  readonly #limits: Warning;
  readonly #logs: Pick<Logs, "error"> | undefined;
  readonly #timer: NodeJS.Timeout;
  #certPem: string | undefined;
  /** It was told of this one. */
  #toldPem: string | undefined;

  constructor(
    certificate: ServerCertificate | undefined,
    { limits, logs }: { readonly limits: Warning; readonly logs: Pick<Logs, "error"> | undefined },
  ) {
    this.#limits = limits;
    this.#logs = logs;
    this.#timer = setInterval(() => this.#look(), limits.tokenWarningIntervalMs).unref();
    this.use(certificate);
  }

  /** The server shows this certificate from now on. */
  use(certificate: ServerCertificate | undefined): void {
    this.#certPem = certificate?.certPem;
    this.#look();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    if (this.#certPem === undefined || this.#certPem === this.#toldPem) return;
    const end = nearEnd(this.#certPem, this.#limits);
    if (end === undefined) return;
    this.#toldPem = this.#certPem;
    const message = `the server's certificate ends at ${end}; renew it and send SIGHUP (in a program, call reload()), as then no client without a pin accepts it, and no server starts with it`;
    this.#logs?.error({ event: "certificate", message });
  }
}
