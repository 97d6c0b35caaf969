/** The key `http` of iscep.yaml. */
import type { ListenPlace } from "../transport/address.js";
import type { HookDefinition } from "../hooks/definition.js";
import { hooks } from "./hooks.js";
import { mapOf, type ValueKind } from "./keys.js";
import { listenPlaces } from "./listen.js";
import { flag, listOf, text } from "./values.js";

/** false: no HTTP. true: on the places of the server. */
export type HttpConfiguration = boolean | HttpOptions;

interface HttpOptions {
  readonly listen?: readonly ListenPlace[];
  readonly hosts?: readonly string[];
  readonly origins?: readonly string[];
  readonly hooks?: Readonly<Record<string, HookDefinition>>;
}

const options = mapOf<HttpOptions>("map", {
  listen: {
    field: "listen",
    kind: listenPlaces,
    says: "Places of its own to listen on, as `listen` of the server.",
    default: "those of the server",
  },
  hosts: {
    field: "hosts",
    kind: listOf("list of names", text),
    says: "Names under which browsers and programs reach this server, without a port; `*` allows all. IP addresses and `localhost` are always allowed.",
  },
  origins: {
    field: "origins",
    kind: listOf("list of origins", text),
    says: "Other web pages that may call, such as `https://app.example`.",
  },
  hooks: {
    field: "hooks",
    kind: hooks,
    says: "Webhooks by their names: `POST /hooks/NAME` runs a command. See below.",
  },
});

export const http: ValueKind<HttpConfiguration> = {
  words: "`true`, `false`, or a map",
  schema: { anyOf: [flag.schema, options.schema] },
  read(value, context) {
    if (typeof value.scalar === "boolean") return value.scalar;
    if (!value.isMap) throw value.error(`${value.what} must be true, false, or { listen: HOST:PORT }`);
    return options.read(value, context);
  },
};
