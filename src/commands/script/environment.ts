/** The environment of a script. It is fixed when the command is defined. */
import { homedir } from "node:os";
import { IscepError } from "../../errors.js";
import { fixedPath } from "./program.js";

interface RefusedVariables {
  /** The names, in which `*` stands for any end. */
  readonly refused: readonly string[];
  /** What they do, for people. */
  readonly why: string;
  /** The ones among them that only change how a program behaves. A definition may set these. */
  readonly allowed: readonly string[];
}

/**
 * Variables that make a program load code, or run other programs. A definition that needs one sets it in a script of
 * its own. The documents and messages follow from this table.
 */
export const refusedVariables: readonly RefusedVariables[] = [
  { refused: ["LD_*", "DYLD_*"], why: "load libraries into every program", allowed: ["LD_BIND_NOW"] },
  { refused: ["BASH_ENV", "ENV"], why: "name a script that shells run first", allowed: [] },
  { refused: ["IFS"], why: "changes how shells read a script", allowed: [] },
  { refused: ["NODE_OPTIONS", "NODE_PATH"], why: "load modules into Node.js", allowed: [] },
  {
    refused: ["PYTHON*"],
    why: "load modules into Python, or change where it finds them",
    allowed: [
      "PYTHONASYNCIODEBUG",
      "PYTHONDEVMODE",
      "PYTHONDONTWRITEBYTECODE",
      "PYTHONFAULTHANDLER",
      "PYTHONHASHSEED",
      "PYTHONIOENCODING",
      "PYTHONNOUSERSITE",
      "PYTHONOPTIMIZE",
      "PYTHONSAFEPATH",
      "PYTHONTRACEMALLOC",
      "PYTHONUNBUFFERED",
      "PYTHONUTF8",
    ],
  },
  {
    refused: ["PERL*"],
    why: "load modules into Perl, or change where it finds them",
    allowed: ["PERL_BADLANG", "PERL_HASH_SEED", "PERL_PERTURB_KEYS", "PERL_UNICODE"],
  },
  { refused: ["RUBYLIB", "RUBYOPT"], why: "load files into Ruby", allowed: [] },
  {
    refused: ["GIT_*"],
    why: "make git run other programs, or read other configurations",
    allowed: [
      "GIT_AUTHOR_DATE",
      "GIT_AUTHOR_EMAIL",
      "GIT_AUTHOR_NAME",
      "GIT_COMMITTER_DATE",
      "GIT_COMMITTER_EMAIL",
      "GIT_COMMITTER_NAME",
      "GIT_TERMINAL_PROMPT",
    ],
  },
  { refused: ["ISCEP_*"], why: "belong to iscep", allowed: [] },
];

/**
 * The whole environment of a script: a fixed PATH, LANG, HOME, TZ when it is set, PYTHONUNBUFFERED so that the output
 * of Python comes while it runs, and what the definition adds.
 * @throws IscepError `configuration`, with the name in `details`
 */
export function scriptEnvironment(added: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  for (const [name, value] of Object.entries(added)) checkVariable(name, value);
  const { HOME = homeFolder(), TZ } = process.env;
  return Object.freeze({
    PATH: fixedPath,
    LANG: "C.UTF-8",
    HOME,
    PYTHONUNBUFFERED: "1",
    ...(TZ === undefined ? {} : { TZ }),
    ...added,
  });
}

/** A user that is only a number, as in containers, has no home. Container engines use "/" then. */
function homeFolder(): string {
  try {
    return homedir();
  } catch {
    return "/";
  }
}

function checkVariable(name: string, value: unknown): void {
  const wrong = (sentence: string): IscepError =>
    new IscepError("configuration", sentence, { details: { variable: name } });
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    throw wrong(`${JSON.stringify(name)} is no name of an environment variable; use letters, digits and "_"`);
  }
  const found = refusedVariables.find(({ refused }) => refused.some((pattern) => fits(name, pattern)));
  if (found !== undefined && !found.allowed.includes(name)) {
    const { refused, why, allowed } = found;
    const others = allowed.length === 0 ? "" : `; allowed of these are ${allowed.join(", ")}`;
    throw wrong(
      `environment variable ${name} is refused, because ${refused.join(" and ")} ${why}; set it in a script of your own${others}`,
    );
  }
  if (typeof value !== "string" || value.includes("\0"))
    throw wrong(`environment variable ${name} must be text without NUL`);
}

/** Windows ignores letter case in the names of variables. */
function fits(name: string, pattern: string): boolean {
  const upper = name.toUpperCase();
  return pattern.endsWith("*") ? upper.startsWith(pattern.slice(0, -1)) : upper === pattern;
}
