/** The settings of a door for NATS. */
import { IscepError } from "../../../errors.js";
import { checkCleartext, isLocalBroker, parseBrokerAddress, type BrokerAddress } from "../../../nats/address.js";
import { natsCredentialNames, type NatsCredentials } from "../../../nats/credentials.js";
import { checkServiceName } from "../../../nats/subjects.js";
import { refuseUnknownOption } from "../../../text/unknown-option.js";
import type { DoorServer } from "../../door.js";

export interface NatsSettings extends NatsCredentials {
  /**
   * The broker: `nats://[USER:PASSWORD@]HOST[:4222]`, with commas between several hosts of one cluster. With
   * `nats+tls://…` the connection must use TLS. The name of the service may stand behind it: `nats://HOST/world`.
   */
  readonly url: string;
  /**
   * The name of the service of which this server is an instance: 1 to 64 of A-Z, a-z, 0-9, _ and -. All instances of a
   * name should have the same commands and tokens. Default: the one in `url`.
   */
  readonly name?: string;
  /**
   * true allows a broker beyond this machine without TLS: the network can then see arguments, output and the broker's
   * password. Default: false.
   */
  readonly allowCleartext?: boolean;
}

const settingNames = { ...natsCredentialNames, url: true, name: true, allowCleartext: true } satisfies Record<
  keyof NatsSettings,
  true
>;

export interface NatsPlace {
  readonly address: BrokerAddress;
  readonly service: string;
}

/** @throws IscepError `usage` */
export function checkNatsSettings(settings: NatsSettings): NatsPlace {
  refuseUnknownOption("natsDoor()", settings, settingNames);
  const { url, name } = settings;
  const { service, ...address } = parseBrokerAddress(url);
  const given = name ?? service;
  if (given === undefined) {
    throw new IscepError(
      "usage",
      "the name of the service is missing; give nats.name, --name NAME, or nats://HOST/NAME",
    );
  }
  if (name !== undefined && service !== undefined && name !== service) {
    throw new IscepError(
      "usage",
      `the address names the service ${service}, and the name is ${name}; give one of them`,
    );
  }
  checkCleartext(address, settings.tls !== undefined && settings.tls !== false, settings.allowCleartext ?? false);
  return { address, service: checkServiceName(given) };
}

/** @throws IscepError `usage` when the service would be open to others although nobody asked for it */
export function checkAccess({ access }: Pick<DoorServer, "access">, address: BrokerAddress): void {
  if (access !== "machine" || isLocalBroker(address)) return;
  throw new IscepError(
    "usage",
    `without tokens everybody who may connect to the broker at ${address.servers.join(",")} could run the commands; give a tokens file, or say tokens: false (--no-auth)`,
  );
}
