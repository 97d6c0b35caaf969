/** What an instance tells of itself, every second and whenever its state changes. */
import { IscepError, toIscepError } from "../errors.js";
import { isJsonObject, parseJson } from "../wire/json.js";
import { isId } from "./subjects.js";

const states = ["ready", "full", "draining", "left"] as const;

/** `full`: all places are taken. `draining`: it takes no new calls. `left`: it has closed. */
export type InstanceState = (typeof states)[number];

export interface Beat {
  readonly instance: string;
  /** The version of iscep. */
  readonly version: string;
  /** Unix time in milliseconds. */
  readonly startedAt: number;
  readonly state: InstanceState;
  /** Runs that have a place. */
  readonly running: number;
  /** Calls that wait for a place. */
  readonly waiting: number;
  /** Runs that there may be at once. */
  readonly places: number;
  /** The number of its commands. */
  readonly commands: number;
}

/** No beat is longer, so nobody can make us parse more. */
const maxBeatBytes = 4_096;
const jsonLimits = { maxJsonDepth: 8, maxJsonItems: 100, maxJsonKeys: 100 };

export function encodeBeat(beat: Beat): Buffer {
  return Buffer.from(JSON.stringify(beat));
}

/** Members that it does not know are left out, so that later versions can tell more. @throws IscepError `protocol` */
export function decodeBeat(bytes: Uint8Array): Beat {
  if (bytes.length > maxBeatBytes) throw wrong(`it has ${bytes.length} bytes`);
  let value: unknown;
  try {
    value = parseJson(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), jsonLimits);
  } catch (error) {
    throw wrong(toIscepError(error).message, error);
  }
  if (!isJsonObject(value)) throw wrong("it is no object");
  const { instance, version, state } = value;
  if (!isId(instance)) throw wrong("its instance has no id");
  if (typeof version !== "string" || version.length > 64) throw wrong("its version is no short text");
  const known = states.find((each) => each === state);
  if (known === undefined) throw wrong("its state is none that we know");
  const count = (name: keyof Beat): number => {
    const number = value[name];
    if (typeof number !== "number" || !Number.isSafeInteger(number) || number < 0)
      throw wrong(`its ${name} is no count`);
    return number;
  };
  return {
    instance,
    version,
    startedAt: count("startedAt"),
    state: known,
    running: count("running"),
    waiting: count("waiting"),
    places: count("places"),
    commands: count("commands"),
  };
}

function wrong(reason: string, cause?: unknown): IscepError {
  return new IscepError("protocol", `what came as the beat of an instance is none: ${reason}`, { cause });
}
