import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Concurrency, type ConcurrencyRule } from "#iscep/runs/turns/concurrency";

const never = () => false;

function rule(changes: Partial<ConcurrencyRule> = {}): ConcurrencyRule {
  return { limit: 1, whenFull: "queue", maxQueued: 100, ...changes };
}

describe("each key counts by itself, and", () => {
  test("the one that has waited longest begins when one ends", () => {
    const concurrency = new Concurrency<string>(100);
    const enter = (member: string) => concurrency.enter("key", member, rule({ limit: 2 }), never);
    expect(["a", "b", "c", "d"].map(enter)).toEqual([
      { verdict: "begin" },
      { verdict: "begin" },
      { verdict: "wait", position: 1 },
      { verdict: "wait", position: 2 },
    ]);
    expect(concurrency.enter("other", "e", rule(), never)).toEqual({ verdict: "begin" });
    expect(concurrency.leave("key", "b")).toEqual(["c"]);
    expect(concurrency.leave("key", "b")).toEqual([]);
    expect(concurrency.leave("key", "c")).toEqual(["d"]);
  });

  test("a full queue refuses one more, of the key and of all keys together", () => {
    const concurrency = new Concurrency<string>(2);
    const enter = (key: string, member: string) => concurrency.enter(key, member, rule({ maxQueued: 1 }), never);
    expect(enter("x", "a")).toMatchObject({ verdict: "begin" });
    expect(enter("x", "b")).toMatchObject({ verdict: "wait" });
    expect(enter("x", "c")).toEqual({ verdict: "full", of: "key" });
    for (const key of ["y", "z"]) expect(enter(key, `first of ${key}`)).toMatchObject({ verdict: "begin" });
    expect(enter("y", "d")).toMatchObject({ verdict: "wait" });
    expect(enter("z", "e")).toEqual({ verdict: "full", of: "all" });
    concurrency.leave("x", "b");
    expect(enter("z", "e")).toMatchObject({ verdict: "wait" });
  });

  test("a newer one replaces the oldest that runs, and then the oldest that waits", () => {
    const concurrency = new Concurrency<string>(100);
    const enter = (member: string) => concurrency.enter("key", member, rule({ whenFull: "replace" }), never);
    expect(enter("a")).toEqual({ verdict: "begin" });
    expect(enter("b")).toEqual({ verdict: "wait", position: 1, replaces: "a" });
    expect(enter("c")).toEqual({ verdict: "wait", position: 2, replaces: "b" });
    expect(concurrency.leave("key", "b")).toEqual([]);
    expect(concurrency.leave("key", "a")).toEqual(["c"]);
    // No run has replaced it yet, although another one of its key was replaced.
    expect(enter("d")).toEqual({ verdict: "wait", position: 1, replaces: "c" });
  });

  test("one joins only whom it may, and waits where there is none", () => {
    const concurrency = new Concurrency<string>(100);
    const enter = (member: string, mayJoin: (first: string) => boolean) =>
      concurrency.enter("key", member, rule({ whenFull: "join", maxQueued: 2 }), mayJoin);
    enter("a", never);
    expect(enter("b", (first) => first === "a")).toEqual({ verdict: "join", first: "a" });
    expect(enter("c", never)).toEqual({ verdict: "wait", position: 1 });
    expect(enter("d", (first) => first === "c")).toEqual({ verdict: "full", of: "key" });
    concurrency.leave("key", "b");
    expect(enter("d", (first) => first === "c")).toEqual({ verdict: "join", first: "c" });
    expect(concurrency.leave("key", "a")).toEqual(["c"]);
  });

  test("another limit, of a command that was loaded anew, counts from the next call on", () => {
    const concurrency = new Concurrency<string>(100);
    const enter = (member: string, limit: number) => concurrency.enter("key", member, rule({ limit }), never);
    expect(["a", "b", "c"].map((member) => enter(member, 2).verdict)).toEqual(["begin", "begin", "wait"]);
    expect(enter("d", 1).verdict).toBe("wait");
    expect(concurrency.leave("key", "a")).toEqual([]);
    expect(concurrency.leave("key", "b")).toEqual(["c"]);
    // Nobody overtakes those who wait.
    expect(enter("e", 3)).toEqual({ verdict: "wait", position: 2 });
    expect(concurrency.leave("key", "c")).toEqual(["d", "e"]);
  });
});

/** The same written the long way: one list of all members, in the order in which they came. */
interface ModelMember {
  readonly id: number;
  readonly key: string;
  state: "running" | "waiting" | "joined";
}

test("it agrees with a plain list of members, whatever comes and goes: none lost, none doubled, none overtaken", () => {
  const rules: Record<string, ConcurrencyRule> = {
    queue: rule({ limit: 2, maxQueued: 3 }),
    reject: rule({ limit: 1, whenFull: "reject" }),
    join: rule({ limit: 1, whenFull: "join", maxQueued: 4 }),
    replace: rule({ limit: 2, whenFull: "replace" }),
  };
  const step = fc.oneof(
    fc.record({ key: fc.constantFrom(...Object.keys(rules)), joins: fc.boolean() }),
    fc.record({ leaves: fc.nat(30) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const maxQueued = 6;
      const concurrency = new Concurrency<number>(maxQueued);
      let members: ModelMember[] = [];
      const of = (key: string, ...states: string[]) =>
        members.filter((member) => member.key === key && states.includes(member.state));
      for (const [id, given] of steps.entries()) {
        if ("leaves" in given) {
          const gone = members[given.leaves % Math.max(1, members.length)];
          if (gone === undefined) continue;
          const begun = concurrency.leave(gone.key, gone.id);
          members = members.filter((member) => member !== gone);
          const free = (rules[gone.key]?.limit ?? 0) - of(gone.key, "running").length;
          const expected = of(gone.key, "waiting").slice(0, free);
          expect(begun).toEqual(expected.map((member) => member.id));
          for (const member of expected) member.state = "running";
        } else {
          const { key } = given;
          const its = rules[key] ?? rule();
          const before = members.length;
          const entry = concurrency.enter(key, id, its, () => given.joins);
          if (entry.verdict === "begin") {
            expect(of(key, "running").length).toBeLessThan(its.limit);
            members.push({ id, key, state: "running" });
          } else {
            expect(of(key, "running")).toHaveLength(its.limit);
            if (entry.verdict === "wait") members.push({ id, key, state: "waiting" });
            if (entry.verdict === "join") members.push({ id, key, state: "joined" });
          }
          if (entry.verdict === "full") {
            const queued = members.filter((member) => member.state !== "running").length;
            const isFull = of(key, "waiting", "joined").length >= its.maxQueued || queued >= maxQueued;
            expect(its.whenFull === "reject" || isFull).toBe(true);
            expect(members).toHaveLength(before);
          }
          if (entry.verdict === "wait" && its.whenFull !== "replace") {
            expect(entry.position).toBe(of(key, "waiting").length);
          }
          if (its.whenFull === "replace" && entry.verdict === "wait" && entry.replaces !== undefined) {
            // As the caller does with one that waits: it has nothing to end.
            const replaced = members.find((member) => member.id === entry.replaces);
            if (replaced?.state === "waiting") {
              expect(concurrency.leave(key, replaced.id)).toEqual([]);
              members = members.filter((member) => member !== replaced);
            }
            expect(of(key, "waiting").length).toBeLessThanOrEqual(its.limit);
          }
        }
        expect(concurrency.keys).toBe(new Set(members.map((member) => member.key)).size);
        expect(concurrency.queued).toBe(members.filter((member) => member.state !== "running").length);
        expect([...concurrency.queues()].map((queue) => Array.from(queue)).toSorted()).toEqual(
          Object.keys(rules)
            .map((key) => of(key, "waiting").map((member) => member.id))
            .filter((queue) => queue.length > 0)
            .toSorted(),
        );
      }
      for (const { key, id } of members) concurrency.leave(key, id);
      expect([concurrency.keys, concurrency.queued]).toEqual([0, 0]);
    }),
    { numRuns: 500 },
  );
});
