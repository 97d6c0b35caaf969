/** A cron pattern in words. A pattern that has no short words is told as it is. */

const nicknames: Readonly<Record<string, string>> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};
const weekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const months = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];

export function cronInWords(pattern: string): string {
  const plain = nicknames[pattern.trim().toLowerCase()] ?? pattern;
  const fields = plain.trim().split(/\s+/);
  const [minute = "", hour = "", day = "", month = "", weekday = ""] = fields;
  const time = timeWords(minute, hour);
  const days = dayWords(day, weekday);
  const inMonths = month === "*" ? "" : listOf(month, (text) => nameOf(text, months, 1));
  if (fields.length !== 5 || time === undefined || days === undefined || inMonths === undefined)
    return `at times that match ${pattern}`;
  const isDaily = days === "" && inMonths === "" && time.startsWith("at ");
  const words = [isDaily ? `every day ${time}` : time, days, inMonths === "" ? "" : `in ${inMonths}`].filter(
    (text) => text !== "",
  );
  return words.join(" ");
}

function timeWords(minute: string, hour: string): string | undefined {
  if (minute === "*" && hour === "*") return "every minute";
  const step = /^(?:\*|0)\/(\d+)$/.exec(minute)?.[1];
  const hourStep = /^(?:\*|0)\/(\d+)$/.exec(hour)?.[1];
  if (step !== undefined && hour === "*") return `every ${step} minutes`;
  if (/^\d+$/.test(minute)) {
    if (hour === "*") return minute === "0" ? "every hour" : `every hour at minute ${minute}`;
    if (hourStep !== undefined) return `every ${hourStep} hours${minute === "0" ? "" : ` at minute ${minute}`}`;
    return and(
      hour.split(","),
      (each) => (/^\d+$/.test(each) ? `${each.padStart(2, "0")}:${minute.padStart(2, "0")}` : undefined),
      "at ",
    );
  }
  const range = /^(\d+)-(\d+)$/.exec(hour);
  if (range !== null && (step !== undefined || minute === "*"))
    return `every ${step === undefined ? "minute" : `${step} minutes`} from ${range[1]?.padStart(2, "0")}:00 to ${range[2]?.padStart(2, "0")}:59`;
  return undefined;
}

function dayWords(day: string, weekday: string): string | undefined {
  const everyDay = day === "*" || day === "?";
  const everyWeekday = weekday === "*" || weekday === "?";
  if (everyDay && everyWeekday) return "";
  const byDay = everyDay
    ? ""
    : day === "L"
      ? "the last day of the month"
      : listOf(day, (text) => (/^\d+$/.test(text) ? ordinal(Number(text)) : undefined));
  const byWeekday = everyWeekday ? "" : weekdayWords(weekday);
  if (byDay === undefined || byWeekday === undefined) return undefined;
  const onDay = byDay === "" ? "" : day === "L" ? `on ${byDay}` : `on the ${byDay} of the month`;
  if (byWeekday === "") return onDay;
  return onDay === "" ? byWeekday : `${onDay} and ${byWeekday}`;
}

function weekdayWords(weekday: string): string | undefined {
  if (/^(?:1-5|MON-FRI)$/i.test(weekday)) return "from Monday to Friday";
  const days = listOf(weekday, (text) => nameOf(text, weekdays, 0));
  return days === undefined ? undefined : `on ${days}`;
}

/** `1,3-5` as `January and March to May`. undefined when a part has no name. */
function listOf(field: string, name: (text: string) => string | undefined): string | undefined {
  return and(field.split(","), (part) => {
    const [from = "", to, ...more] = part.split("-");
    const first = name(from);
    const last = to === undefined ? "" : name(to);
    if (first === undefined || last === undefined || more.length > 0) return undefined;
    return to === undefined ? first : `${first} to ${last}`;
  });
}

function and(parts: readonly string[], name: (part: string) => string | undefined, before = ""): string | undefined {
  const words = parts.map(name);
  if (words.some((word) => word === undefined)) return undefined;
  const last = words.at(-1) ?? "";
  return before + (words.length === 1 ? last : `${words.slice(0, -1).join(", ")} and ${last}`);
}

function nameOf(text: string, names: readonly string[], from: number): string | undefined {
  if (/^\d+$/.test(text)) return names[Number(text) - from];
  return /^[a-z]{3}$/i.test(text)
    ? names.find((name) => name.slice(0, 3).toLowerCase() === text.toLowerCase())
    : undefined;
}

function ordinal(number: number): string {
  const teen = number % 100 > 10 && number % 100 < 14;
  const ending = teen ? "th" : (["th", "st", "nd", "rd"][number % 10] ?? "th");
  return `${number}${ending}`;
}
