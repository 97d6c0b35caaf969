/** Reads `schedule:` of a command in iscep.yaml. */
import type { JsonSchema } from "../model/command.js";
import { mapOf, type KeyTable, type ValueKind } from "./keys.js";
import { flag, text } from "./values.js";
import type { ScheduleDefinition } from "../commands/schedule.js";

const values: ValueKind<object> = {
  words: "map of names and values",
  schema: { type: "object" },
  read: (value) =>
    Object.fromEntries(
      [...value.named((name) => `argument "${name}"`)].map(([name, entry]) => [name, entry.value.plain]),
    ),
};

export const scheduleKeys = {
  cron: {
    field: "cron",
    kind: text,
    says: "Minute, hour, day of the month, month and day of the week.",
    required: 'the times, such as cron: "0 3 * * *"',
  },
  time_zone: {
    field: "timeZone",
    kind: text,
    says: "The zone of these times, such as `Europe/Berlin`.",
    default: "the one of the server's machine",
  },
  once: {
    field: "once",
    kind: flag,
    says: "Of the instances of a service on NATS, and of servers that share a state folder, one starts each time; `false`: each of them does.",
    default: "`true`",
  },
  args: { field: "args", kind: values, says: "The arguments of the command.", default: "no arguments" },
} satisfies KeyTable<ScheduleDefinition>;

const longForm = mapOf<ScheduleDefinition>("map", scheduleKeys);
const schema: JsonSchema = { anyOf: [text.schema, longForm.schema] };

export const schedule: ValueKind<string | ScheduleDefinition> = {
  words: "cron pattern, or a map",
  schema,
  read(value, context) {
    if (!value.isMap) return value.text();
    const { cron, ...others } = longForm.read(value, context);
    // When it is missing, the problems already say so, and nothing is made of this.
    return { cron: cron ?? "", ...others };
  },
};
