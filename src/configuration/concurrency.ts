/** Reads `concurrency:` of a command in iscep.yaml. */
import { limitTable } from "../limits/limits.js";
import { waysWhenFull, type ConcurrencyDefinition } from "../commands/concurrency.js";
import { mapOf, type KeyTable, type ValueKind } from "./keys.js";
import { choice, text, wholeNumber } from "./values.js";

type ConcurrencyFields = Omit<ConcurrencyDefinition, "key"> & { readonly key?: string };

export const concurrencyKeys = {
  limit: {
    field: "limit",
    kind: wholeNumber(1, limitTable.maxRuns.max),
    says: "How many runs of each key go on at once.",
    required: "the runs that go on at once, such as limit: 1",
  },
  key: {
    field: "key",
    kind: text,
    says: 'A template of arguments, such as `"{world}"`: runs with the same values count together.',
    default: "all runs of the command count together",
  },
  when_full: {
    field: "whenFull",
    kind: choice(waysWhenFull),
    says: "What happens to one more call: it waits, is refused, replaces the oldest run, or joins the same call of its owner.",
    default: "`queue`",
  },
  max_queued: {
    field: "maxQueued",
    kind: wholeNumber(0, limitTable.maxQueuedRuns.max),
    says: "With `queue` and `join`: how many calls of each key may wait or join.",
    default: "the limit `max_queued_runs_per_key`",
  },
} satisfies KeyTable<ConcurrencyFields>;

const fields = mapOf<ConcurrencyFields>("map", concurrencyKeys);

export const concurrency: ValueKind<ConcurrencyDefinition> = {
  ...fields,
  read(value, context) {
    const { limit, ...others } = fields.read(value, context);
    // When it is missing, the problems already say so, and nothing is made of this.
    return { limit: limit ?? 1, ...others };
  },
};
