/** Reads `clients:` of iscep.yaml, which says whether clients show a certificate. */
import { mapOf, type ValueKind } from "./keys.js";
import { choice, filePath } from "./values.js";

export interface ClientsSettings {
  readonly mode: "token" | "certificate" | "certificate+token";
  /** The absolute paths of PEM files. */
  readonly ca?: readonly string[];
}

const authorities: ValueKind<readonly string[]> = {
  words: "path, or list of paths",
  schema: { anyOf: [filePath.schema, { type: "array", items: filePath.schema }] },
  read: (value, context) =>
    value.isList ? value.list().map((each) => filePath.read(each, context)) : [filePath.read(value, context)],
};

const fields = mapOf<ClientsSettings>("map", {
  mode: {
    field: "mode",
    kind: choice(["token", "certificate", "certificate+token"]),
    says: "Whether a token, a certificate, or both say who is calling.",
    required: "token, certificate, or certificate+token",
  },
  ca: {
    field: "ca",
    kind: authorities,
    says: "Authorities, as PEM, that vouch for the names of certificates: entries `cn:NAME` of the tokens file. Entries with a pin need none.",
  },
});

export const clients: ValueKind<ClientsSettings> = {
  words: "`{ mode: token, certificate or certificate+token, ca: FILE }`",
  schema: fields.schema,
  read(value, context) {
    const { mode, ca } = fields.read(value, context);
    // Without a mode, the problems already say so, and nothing uses what is returned here.
    return { mode: mode ?? "certificate+token", ...(ca === undefined ? {} : { ca }) };
  },
};
