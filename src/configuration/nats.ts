/** The key `nats` of iscep.yaml. */
import type { NatsTlsFiles } from "../nats/credentials.js";
import { mapOf, type KeyTable, type ValueKind } from "./keys.js";
import { filePath, flag, text } from "./values.js";

export interface NatsConfiguration {
  readonly url: string;
  readonly name?: string;
  readonly user?: string;
  /** The variable of the environment that has the password. */
  readonly password?: { readonly env: string };
  readonly credentials?: string;
  readonly nkey?: string;
  readonly tls?: boolean | NatsTlsFiles;
  readonly allowCleartext?: boolean;
  readonly inboxPrefix?: string;
}

const variable = mapOf<{ env: string }>("`{ env: NAME }`", {
  env: {
    field: "env",
    kind: text,
    says: "The variable of the server's environment that has the password.",
    required: "the name of the variable",
  },
});

const tlsFiles = mapOf<NatsTlsFiles>("map", {
  ca: {
    field: "ca",
    kind: filePath,
    says: "The authority of the broker's certificate, as PEM.",
    default: "the system's",
  },
  cert: { field: "cert", kind: filePath, says: "The certificate that the server shows to the broker, as PEM." },
  key: { field: "key", kind: filePath, says: "The key of that certificate, as PEM, with mode 0600." },
});

const tls: ValueKind<boolean | NatsTlsFiles> = {
  words: "`true`, `false`, or `{ ca: FILE, cert: FILE, key: FILE }`",
  schema: { anyOf: [flag.schema, tlsFiles.schema] },
  read(value, context) {
    if (typeof value.scalar === "boolean") return value.scalar;
    if (!value.isMap) throw value.error(`${value.what} must be true, false, or { ca: FILE }`);
    return tlsFiles.read(value, context);
  },
};

export const natsKeys = {
  url: {
    field: "url",
    kind: text,
    says: "The broker: `nats://HOST:4222`, or `nats+tls://HOST:4222` when the connection must use TLS; several hosts of one cluster with commas between them.",
    required: "the broker, such as nats://127.0.0.1:4222",
  },
  name: {
    field: "name",
    kind: text,
    says: "The name of the service: all servers with this name are its instances.",
    default: "the one behind the `/` of `url`",
  },
  user: { field: "user", kind: text, says: "The user for the broker.", default: "the one in `url`" },
  password: {
    field: "password",
    kind: {
      ...variable,
      read: (value, context) => ({ env: variable.read(value, context).env ?? "" }),
    },
    says: "The password of that user.",
    default: "the one in `url`",
  },
  credentials: { field: "credentials", kind: filePath, says: "A credentials file (`.creds`) instead of a user." },
  nkey: { field: "nkey", kind: filePath, says: "A file with the seed of an nkey instead of a user." },
  tls: {
    field: "tls",
    kind: tls,
    says: "`true`, or the files: the connection must use TLS.",
    default: "TLS when the broker offers it",
  },
  allow_cleartext: {
    field: "allowCleartext",
    kind: flag,
    says: "Whether a broker on another machine may be one without TLS, because the network is your own, such as that of a compose file.",
    default: "`false`, or `--allow-cleartext`",
  },
  inbox_prefix: {
    field: "inboxPrefix",
    kind: text,
    says: "How the subjects begin on which the server gets answers, for a broker that allows a user only some subjects.",
    default: "`_INBOX`",
  },
} satisfies KeyTable<NatsConfiguration>;

const natsMap = mapOf<NatsConfiguration>("map", natsKeys);

export const nats: ValueKind<NatsConfiguration> = {
  ...natsMap,
  read(value, context) {
    const { url = "", ...rest } = natsMap.read(value, context);
    return { ...rest, url };
  },
};
