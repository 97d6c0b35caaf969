/** Checks declared arguments. Nothing is compiled into code: what a definition says stays data. */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { defaultLimits } from "../../limits/limits.js";
import type { ArgumentDeclaration, ItemDeclaration } from "./declaration.js";
import { saidKeys, type Rule } from "./declaration-table.js";
import { PatternBudget, PatternTooSlow } from "./linear-pattern.js";
import { characterRule, shortRule } from "./text-format.js";

export interface DeclaredIssue extends StandardSchemaV1.Issue {
  /** What the declaration wants. It never reveals the value. */
  readonly expected: string;
}

export function declaredIssue(expected: string, value: unknown, path: PropertyKey[]): DeclaredIssue {
  return { message: `expected ${expected}, received ${typeName(value)}`, path, expected };
}

type DeclaredCheck = (args: Readonly<Record<string, unknown>>) => DeclaredIssue | undefined;

/** The check stops at the first fault. Otherwise a list of a million wrong items would give a million faults. */
export function declaredCheck(declared: readonly (readonly [string, ArgumentDeclaration])[]): DeclaredCheck {
  const checks = declared.map(([name, declaration]) => ({
    name,
    isNeeded: declaration.optional !== true,
    check: valueCheck(declaration),
  }));
  return (args) => {
    for (const { name, isNeeded } of checks)
      if (isNeeded && args[name] === undefined) return { message: "missing", path: [name], expected: "" };
    const budget = new PatternBudget();
    for (const { name, check } of checks) {
      const value = args[name];
      const fault = value === undefined ? undefined : withinBudget(check, value, budget);
      if (fault !== undefined) return declaredIssue(fault.expected, fault.value, [name, ...fault.at]);
    }
    return undefined;
  };
}

interface Fault {
  readonly expected: string;
  readonly value: unknown;
  /** The index in a list. */
  readonly at: readonly number[];
}

type ValueCheck = (value: unknown, budget: PatternBudget) => Fault | undefined;

const tooSlow = `texts that can be compared with their patterns in ${defaultLimits.maxPatternSteps} steps; fewer or shorter ones`;

function withinBudget(check: ValueCheck, value: unknown, budget: PatternBudget): Fault | undefined {
  try {
    return check(value, budget);
  } catch (error) {
    if (!(error instanceof PatternTooSlow)) throw error;
    return { expected: tooSlow, value, at: [] };
  }
}

function valueCheck(declaration: ArgumentDeclaration | ItemDeclaration): ValueCheck {
  const rules = [
    ...rulesOfType(declaration),
    ...saidKeys(declaration).flatMap(({ row, said }) => row.rule?.(said) ?? []),
  ];
  const checkItem = declaration.type === "list" ? valueCheck(declaration.items) : undefined;
  return (value, budget) => {
    for (const rule of rules) {
      // The first rule has checked the type, on which the others rely.
      const expected = rule(value as never, budget);
      if (expected !== undefined) return { expected, value, at: [] };
    }
    if (checkItem === undefined) return undefined;
    for (const [index, item] of (value as readonly unknown[]).entries()) {
      const fault = checkItem(item, budget);
      if (fault !== undefined) return { ...fault, at: [index, ...fault.at] };
    }
    return undefined;
  };
}

const isText: Rule = (value: unknown) => (typeof value === "string" ? undefined : "string");

/** What every value of the type must be. */
function rulesOfType(declaration: ArgumentDeclaration | ItemDeclaration): Rule[] {
  switch (declaration.type) {
    case "string":
    case "secret":
      return [isText, ...(declaration.maxLength === undefined ? [shortRule] : []), characterRule(declaration)];
    case "enum":
      return "from" in declaration.choices ? [isText, shortRule, characterRule({})] : [isText];
    case "path":
      return [
        isText,
        shortRule,
        characterRule({}),
        (value: string) => (value === "" ? "at least 1 characters" : undefined),
      ];
    case "number":
      return [(value: unknown) => (Number.isFinite(value) ? undefined : "number")];
    case "integer":
      return [(value: unknown) => (Number.isInteger(value) ? undefined : "integer"), withinSafeRange];
    case "boolean":
      return [(value: unknown) => (typeof value === "boolean" ? undefined : "boolean")];
    case "list":
      return [
        (value: unknown) => (Array.isArray(value) ? undefined : "array"),
        ...(declaration.maxItems === undefined ? [isShortList] : []),
      ];
    default:
      return declaration satisfies never;
  }
}

function isShortList({ length }: readonly unknown[]): string | undefined {
  const { maxArgumentItems } = defaultLimits;
  return length <= maxArgumentItems ? undefined : `at most ${maxArgumentItems} items`;
}

function withinSafeRange(value: number): string | undefined {
  if (value > Number.MAX_SAFE_INTEGER) return `a number <= ${Number.MAX_SAFE_INTEGER}`;
  return value < Number.MIN_SAFE_INTEGER ? `a number >= ${Number.MIN_SAFE_INTEGER}` : undefined;
}

function typeName(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}
