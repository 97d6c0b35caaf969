/** The table of outcomes, the type, the client and the documents say the same. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { OutcomeStatus } from "iscep";
import { errorTable, IscepError } from "#iscep/errors";
import { outcomeNumbers, outcomeTable, type OutcomeKind, type RunOutcome } from "#iscep/model/outcome";
import { JsonText } from "#iscep/wire/json-text";
import { outcomeText } from "#iscep/doors/version2/outcome-text";
import { outcomeOf } from "#iscep/journal/stored-outcome";

/** Does not compile when the type has another status than these. */
const statuses: Record<OutcomeStatus, true> = {
  completed: true,
  failed: true,
  killed: true,
  timeout: true,
  cancelled: true,
  rejected: true,
  lost: true,
};
const all = Object.keys(statuses) as OutcomeStatus[];

function sample(status: OutcomeStatus): RunOutcome {
  const { code = "command_not_found" }: OutcomeKind = outcomeTable[status];
  const error = new IscepError(code);
  if (status === "completed") return { status, value: new JsonText("1") };
  return status === "killed" ? { status, error, signal: "SIGKILL" } : { status, error };
}

test("the table has the statuses of the type, and no other", () => {
  expect(Object.keys(outcomeTable)).toEqual(all);
});

describe.each(all)("%s", (status) => {
  test("has the numbers of its code in the table of errors", () => {
    const { code }: OutcomeKind = outcomeTable[status];
    const { jsonRpc, exitCode } = outcomeNumbers(status);
    if (code === undefined) expect(jsonRpc).toBeUndefined();
    else
      expect({ jsonRpc, exitCode }).toMatchObject({
        jsonRpc: errorTable[code].jsonRpc,
        exitCode: errorTable[code].exitCode,
      });
    expect(exitCode === 0).toBe(status === "completed");
  });

  test("is answered with its status and number", () => {
    const answer = JSON.parse(outcomeText(1, sample(status), undefined)) as {
      result?: unknown;
      error?: { code: number; data: { status: string } };
    };
    if (status === "completed") expect(answer.result).toEqual({ value: 1 });
    else expect(answer.error?.data.status).toBe(status);
    const { jsonRpc } = outcomeNumbers(status);
    if (jsonRpc !== undefined) expect(answer.error?.code).toBe(jsonRpc);
  });

  test("is the same when it was kept, and nothing is known of it but its status", () => {
    const outcome = outcomeOf({ status }, undefined, true);
    expect(outcome.status).toBe(status);
    const { code }: OutcomeKind = outcomeTable[status];
    if ("error" in outcome && code !== undefined) expect(outcome.error.code).toBe(code);
    if (status === "completed") expect(outcome).toMatchObject({ valueError: { code: "value_gone" }, value: undefined });
  });

  test("stands in PROTOCOL.md", () => {
    expect(readFileSync("PROTOCOL.md", "utf8")).toContain(`| \`${status}\` |`);
  });
});
