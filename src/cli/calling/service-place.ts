/** Services on a broker, for the verbs that call: their addresses, and who this caller is for the broker. */
import { formatService, isNatsAddress, parseServiceAddress } from "../../nats/address.js";
import type { NatsCredentials } from "../../nats/credentials.js";
import { parseAddress, type Address } from "../../transport/address.js";
import { surroundings } from "../terminal/surroundings.js";

export interface ServicePlace {
  readonly kind: "nats";
  /** The address without user and password. */
  readonly shown: string;
  readonly hasPassword: boolean;
  /** A token is never in such an address, which has the user and password of the broker. */
  readonly token?: undefined;
}

/** @throws IscepError `usage` */
export function callerAddress(url: string): Address | ServicePlace {
  if (!isNatsAddress(url)) return parseAddress(url);
  const { service, password, ...broker } = parseServiceAddress(url);
  return { kind: "nats", shown: formatService(broker, service), hasPassword: password !== undefined };
}

interface BrokerFiles {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

/** Options that are for the server elsewhere are for the broker here. Files with secrets are named by the environment. */
export function brokerCredentials({ ca, cert, key }: BrokerFiles): NatsCredentials {
  const { ISCEP_NATS_CREDENTIALS: credentials = "", ISCEP_NATS_NKEY: nkey = "" } = surroundings().env;
  const files = {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
  return {
    ...(credentials === "" ? {} : { credentials }),
    ...(nkey === "" ? {} : { nkey }),
    ...(Object.keys(files).length === 0 ? {} : { tls: files }),
  };
}
