/**
 * Who we are for the broker, as its operator has decided. Tokens of iscep are another matter. Users see these types, so
 * they use no types of the library, which do not compile under all settings of the compiler.
 */

export interface NatsTlsFiles {
  /** PEM text, or the path of a PEM file: the authority that signed the broker's certificate. Default: the system's. */
  readonly ca?: string;
  /** PEM text, or the path of a PEM file: the certificate that we show to the broker. Default: none. */
  readonly cert?: string;
  /** PEM text, or the path of a PEM file: the key of `cert`. Default: none. */
  readonly key?: string;
}

export interface NatsCredentials {
  /** The user for the broker. Default: the one in the address, or none. */
  readonly user?: string;
  /** The password of `user`. Default: the one in the address, or none. */
  readonly password?: string;
  /** The path of a credentials file (`.creds`), which has a JWT and the seed of its key. Default: none. */
  readonly credentials?: string;
  /** The path of a file with the seed of an nkey (`SU…`). Default: none. */
  readonly nkey?: string;
  /**
   * true: TLS is required, with the authorities of the system. An object: the same, with these files. Default: TLS when
   * the broker offers it.
   */
  readonly tls?: boolean | NatsTlsFiles;
  /**
   * How the subjects begin on which we get answers, for a broker that allows a user only some subjects. Default:
   * `_INBOX`.
   */
  readonly inboxPrefix?: string;
}

export const natsCredentialNames = {
  user: true,
  password: true,
  credentials: true,
  nkey: true,
  tls: true,
  inboxPrefix: true,
} satisfies Record<keyof NatsCredentials, true>;

export const natsTlsFileNames = { ca: true, cert: true, key: true } satisfies Record<keyof NatsTlsFiles, true>;
