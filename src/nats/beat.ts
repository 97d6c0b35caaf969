/** What an instance tells of itself, every second and whenever its state changes. */
import { IscepError } from "../errors.js";
import { isJsonObject } from "../wire/json.js";
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
  /** How many runs may have a place at once. */
  readonly places: number;
  /** How many commands the instance has. */
  readonly commands: number;
}

/** No beat is longer, so nobody can make us parse more. */
const maxBeatBytes = 4_096;
const openingBrace = 0x7b;

export function encodeBeat(beat: Beat): Buffer {
  return Buffer.from(JSON.stringify(beat));
}

/**
 * Members that this version does not know are left out, so that later versions can tell more. Returns undefined for
 * bytes that are no beat, and makes no error, because anybody on the bus may send such bytes as fast as they can.
 */
export function readBeat(bytes: Uint8Array): Beat | undefined {
  if (bytes.length > maxBeatBytes || bytes[0] !== openingBrace) return undefined;
  let value: unknown;
  try {
    // So few bytes need no bounds of depth or keys.
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString());
  } catch {
    return undefined;
  }
  if (!isJsonObject(value)) return undefined;
  const { instance, version, state, startedAt, running, waiting, places, commands } = value;
  const known = states.find((each) => each === state);
  if (!isId(instance) || typeof version !== "string" || version.length > 64 || known === undefined) return undefined;
  if (!isCount(startedAt) || !isCount(running) || !isCount(waiting) || !isCount(places) || !isCount(commands))
    return undefined;
  return { instance, version, startedAt, state: known, running, waiting, places, commands };
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** @throws IscepError `protocol` when the bytes are no beat */
export function decodeBeat(bytes: Uint8Array): Beat {
  const beat = readBeat(bytes);
  if (beat === undefined) throw new IscepError("protocol", "what came as the beat of an instance is no beat");
  return beat;
}
