/** Reads `listen:` of iscep.yaml. */
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import { defaultHost, type ListenPlace } from "../transport/address.js";
import { absolutePath } from "./values.js";
import type { ValueKind } from "./keys.js";
import type { YamlValue } from "./yaml-source.js";

const highestPort = 65_535;

const listenForms = '"HOST:PORT", "PORT", "[::1]:8989" or "unix:PATH"';

/** Port 0 to 65535, with at most five digits; before it a host, or one in brackets. The reader and the schema both use it. */
const placeExpression =
  /^(?:unix:(.+)|(?:(?:\[([0-9A-Fa-f:.%\w]+)\]|([^\s:[\]/@]+)):)?([0-5]?[0-9]{1,4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))$/;

/** undefined for text of no known form. A relative path of a unix socket is relative to `folder`. */
function parseListen(text: string, folder: string): ListenPlace | undefined {
  const [, socket, bracketed, plain, port] = placeExpression.exec(text) ?? [];
  if (socket !== undefined) return { unix: path.resolve(folder, socket) };
  return port === undefined ? undefined : { host: bracketed ?? plain ?? defaultHost, port: Number(port) };
}

const placeSchema = {
  anyOf: [
    { type: "integer", minimum: 0, maximum: highestPort },
    { type: "string", pattern: placeExpression.source },
  ],
};

export const listenPlaces: ValueKind<readonly ListenPlace[]> = {
  words: "place, or list of places",
  schema: { anyOf: [placeSchema, { type: "array", items: placeSchema, minItems: 1 }] },
  read(value, { folder, problems }) {
    if (!value.isList) return [readPlace(value, folder)];
    const places: ListenPlace[] = [];
    for (const element of value.list()) {
      problems.attempt(() => {
        const place = readPlace(element, folder);
        const isFree = "port" in place && place.port === 0;
        if (!isFree && places.some((earlier) => isDeepStrictEqual(earlier, place)))
          throw element.error(`${element.what} stands in the list before; remove one of the two`);
        places.push(place);
      });
    }
    if (value.list().length === 0) throw value.error(`${value.what} is empty; name a place, or remove the key`);
    return places;
  },
};

function readPlace(value: YamlValue, folder: string): ListenPlace {
  const { scalar } = value;
  const place =
    typeof scalar === "string" || typeof scalar === "number" ? parseListen(String(scalar), folder) : undefined;
  if (place !== undefined && "unix" in place) absolutePath(value, String(scalar).replace(/^unix:/, ""), folder);
  if (place === undefined) throw value.error(`${value.what} must be ${listenForms}, with a port from 0 to 65535`);
  return place;
}
