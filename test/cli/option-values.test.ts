import { expect, test } from "vitest";
import { pastTimeMs } from "#iscep/cli/arguments/option-values";

test("a day begins here, as a day with a time does, and not at Greenwich", () => {
  const before = process.env["TZ"];
  try {
    for (const zone of ["Europe/Berlin", "America/New_York", "UTC"]) {
      process.env["TZ"] = zone;
      expect(pastTimeMs("2026-11-28")).toBe(new Date(2026, 10, 28).getTime());
      expect(pastTimeMs("2026-11-28")).toBe(pastTimeMs("2026-11-28T00:00"));
    }
  } finally {
    if (before === undefined) delete process.env["TZ"];
    else process.env["TZ"] = before;
  }
});
