/** Limits of the arguments of commands. */
import { forever, KiB, MiB, type Limit } from "./limit.js";

export const argumentLimits = {
  maxArgumentBytes: {
    default: 64 * KiB,
    max: 64 * MiB,
    reason: "bytes in UTF-8 of a declared string that sets no maxLength of its own",
  },
  maxArgvElementBytes: {
    default: 131_071,
    max: 131_071,
    reason: "bytes of one argument of a script; with one byte more, Linux does not start it",
  },
  maxArgumentItems: {
    default: 1_000,
    max: 1_000_000,
    reason: "items of a declared list that sets no maxItems of its own",
  },
  maxChoices: {
    default: 10_000,
    max: 1_000_000,
    reason: "values that a command may give as choices of another command's argument; more are a mistake",
  },
  maxOfferedChoicesBytes: {
    default: 4 * KiB,
    max: 1 * MiB,
    reason:
      "choices that discovery shows for one command, because a page over version 1 has 16 KiB; if there are more, it shows examples",
  },
  choicesCacheMs: {
    default: 5_000,
    max: forever,
    reason: "how long the choices that a command gave count, before it is asked again",
  },
  choicesTimeoutMs: {
    default: 10_000,
    max: forever,
    reason: "how long a listing or a call waits for a command that gives choices, with its wait for a place",
  },
  maxCheckedArgumentsBytes: {
    min: 1,
    default: 64 * MiB,
    max: 1024 * 1024 * MiB,
    reason:
      "memory of the arguments of all calls whose check takes time, such as one that asks a database; while they take more, further such calls are answered with busy",
  },
  maxPatternSize: {
    default: 20_000,
    max: 1_000_000,
    reason:
      "characters and choices of one pattern, its counts written out; a character of a text may take that many steps",
  },
  maxPatternSteps: {
    default: 10_000_000,
    max: 1_000_000_000,
    reason:
      "steps that the texts of one call may take against their patterns, some 250 ms; the whole server waits for them",
  },
} as const satisfies Record<string, Limit>;
