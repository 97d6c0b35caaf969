import { expect, test } from "vitest";
import { callFingerprint } from "#iscep/doors/mcp/given-up";

test("calls of callers who differ are never taken for repetitions, though a certificate and no token says who they are", () => {
  const callers = [
    { owner: "a", token: undefined },
    { owner: "b", token: undefined },
    { owner: "a", token: "1" },
    { owner: "a", token: "2" },
  ];
  const of = (caller: (typeof callers)[number]): string => callFingerprint(caller, "add", { a: 1 });
  expect(new Set(callers.map(of)).size).toBe(callers.length);
  expect(callers.map(of)).toEqual(callers.map(of));
});
