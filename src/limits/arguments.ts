/** Limits of the arguments of commands. */
import { forever, KiB, MiB, type Limit } from "./limit.js";

export const argumentLimits = {
  maxArgumentBytes: {
    default: 64 * KiB,
    max: 64 * MiB,
    reason: "a string in declared arguments that sets no maxLength of its own, in UTF-8",
  },
  maxArgvElementBytes: {
    default: 131_071,
    max: 131_071,
    reason: "one argument of a script; with a byte more Linux refuses to start it",
  },
  maxArgumentItems: {
    default: 1_000,
    max: 1_000_000,
    reason: "a list in declared arguments that sets no maxItems of its own",
  },
  maxChoices: {
    default: 10_000,
    max: 1_000_000,
    reason: "values that a command gives for an argument of another; more are a mistake",
  },
  maxOfferedChoicesBytes: {
    default: 4 * KiB,
    max: 1 * MiB,
    reason:
      "values of a command's arguments that discovery tells, as a page of it over version 1 has 16 KiB; more are only examples",
  },
  choicesCacheMs: {
    default: 5_000,
    max: forever,
    reason: "the values that a command gives for an argument of another are asked for again after this",
  },
  choicesTimeoutMs: {
    default: 10_000,
    max: forever,
    reason: "that command, its wait for a place included; a listing or a call waits for it",
  },
  patternTimeoutMs: {
    default: 250,
    max: forever,
    reason: "one text against a pattern of declared arguments; some patterns need years, and the whole server waits",
  },
} as const satisfies Record<string, Limit>;
