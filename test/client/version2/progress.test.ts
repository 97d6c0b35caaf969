/** What a server tells of a run's progress reaches the caller as a share from 0 to 1, whatever the server says. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { PendingCall } from "#iscep/client/version2/pending-call";
import { defaultLimits } from "#iscep/limits/limits";

test("a share out of its range is taken as the nearest in it", () => {
  const told: number[] = [];
  const request = {
    method: "call" as const,
    timeoutMs: 1_000,
    resolve: () => {},
    reject: () => {},
    progressed: (fraction: number) => told.push(fraction),
  };
  const call = new PendingCall(1, request, defaultLimits);
  fc.assert(
    fc.property(fc.double({ noNaN: true }), (fraction) => {
      call.heard("progress", { fraction });
      expect(told.pop()).toBe(Math.min(1, Math.max(0, fraction)));
    }),
  );
  for (const fraction of ["0.5", null, undefined]) call.heard("progress", { fraction });
  expect(told).toEqual([]);
});
