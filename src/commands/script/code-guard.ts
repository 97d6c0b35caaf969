/**
 * What a caller sends is data, and never a program. This does not protect against the author of the commands: it finds
 * mistakes that are easily made.
 */
import path from "node:path";
import { IscepError } from "../../errors.js";
import type { ArgumentDeclarations } from "../arguments/declaration.js";
import { firstSlot } from "./template.js";

interface Interpreter {
  readonly name: RegExp;
  /** The element after this option is source code, or the rest of the same element. */
  readonly option: RegExp;
  /** The code is the first element that is not an option, wherever this option stands. */
  readonly isShell?: true;
}

const interpreters: readonly Interpreter[] = [
  { name: /^(?:ba|da|z|k|a|fi)?sh$/, option: /^[-+][A-Za-z]*c[A-Za-z]*$/, isShell: true },
  { name: /^python[\d.]*$/, option: /^-[A-Za-z]*c$/ },
  { name: /^(?:perl|ruby)[\d.]*$/, option: /^-[A-Za-z]*[eE]$/ },
  { name: /^node(?:js)?$/, option: /^(?:-e|-p|-pe|--eval|--print)=?$/ },
];

/** Programs that become another program, and how many elements that are not options they take before it. */
const launchers: Readonly<Record<string, number>> = {
  busybox: 0,
  chroot: 1,
  chrt: 1,
  doas: 0,
  env: 0,
  flock: 1,
  ionice: 0,
  nice: 0,
  nohup: 0,
  prlimit: 0,
  runuser: 0,
  setpriv: 0,
  setsid: 0,
  stdbuf: 0,
  sudo: 0,
  taskset: 1,
  time: 0,
  timeout: 1,
  unshare: 0,
  xargs: 0,
};

/**
 * `[sh, -c, "{argument}"]` would be a shell for everybody, and so would `[env, sh, -c, "{argument}"]`.
 * @throws IscepError `configuration`, with the number of the element in `details`
 */
export function checkNoCode(program: string, template: readonly string[], declarations: ArgumentDeclarations): void {
  const elements = [program, ...template];
  const at = interpreterIndex(elements, 0);
  const name = elements[at];
  const interpreter = name === undefined ? undefined : interpreterOf(name);
  if (name === undefined || interpreter === undefined) return;
  const rest = elements.slice(at + 1);
  checkHasScript(name, rest, at);
  const { option, isShell = false } = interpreter;
  const code = isShell ? shellCodeIndex(rest, option) : undefined;
  for (const [index, text] of rest.entries()) {
    const slot = firstSlot(text, declarations);
    if (slot === undefined) continue;
    const isCode = isShell ? index === code : option.test(rest[index - 1] ?? "");
    if (!isCode && !option.test(text.slice(0, slot.from))) continue;
    throw new IscepError(
      "configuration",
      `element ${JSON.stringify(text)} would let the caller write the code that ${name} runs; ` +
        'write the code as a literal, and give arguments behind it: [sh, -c, "echo \\"$1\\"", sh, "{argument}"]',
      { details: { element: at + index } },
    );
  }
}

function interpreterOf(program: string): Interpreter | undefined {
  return interpreters.find(({ name }) => name.test(path.basename(program)));
}

/** The element with code of the program at `from`, or of the one that it becomes; -1 when that is not an interpreter. */
function interpreterIndex(elements: readonly string[], from: number): number {
  const first = elements[from] ?? "";
  if (interpreterOf(first) !== undefined) return from;
  const name = path.basename(first);
  let operands = Object.hasOwn(launchers, name) ? launchers[name] : undefined;
  if (operands === undefined) return -1;
  for (let index = from + 1; index < elements.length; index++) {
    const text = elements[index] ?? "";
    if (text.startsWith("-") || /^\w+=/.test(text)) continue;
    if (operands === 0 && (interpreterOf(text) !== undefined || Object.hasOwn(launchers, path.basename(text))))
      return interpreterIndex(elements, index);
    // This is probably the value of an option.
    if (elements[index - 1]?.startsWith("-") === true && elements[index - 1] !== "--") continue;
    if (operands === 0) return -1;
    operands -= 1;
  }
  return -1;
}

/** Where a shell with `-c` among its options finds its code. */
function shellCodeIndex(rest: readonly string[], option: RegExp): number | undefined {
  let takesCode = false;
  for (let index = 0; index < rest.length; index++) {
    const text = rest[index] ?? "";
    const isLast = text === "--" || text === "-";
    if (!isLast && /^[-+]/.test(text)) {
      takesCode ||= option.test(text);
      // The values of these options are names: of an option of the shell, or of a file.
      if (/^[-+][A-Za-z]*[oO]$|^--(?:rcfile|init-file)$/.test(text)) index += 1;
      continue;
    }
    return takesCode ? index + (isLast ? 1 : 0) : undefined;
  }
  return undefined;
}

/**
 * Without a script, such a program runs its standard input, which comes from the caller. It would also run a file that
 * comes from the caller.
 */
function checkHasScript(program: string, template: readonly string[], before: number): void {
  const index = template.findIndex((text) => !text.startsWith("-"));
  const isFromCaller = /^\{[^{}]*:(?:file|fd)\}$/.test(template[index] ?? "");
  if (!isFromCaller && !template.every((text) => /^-[^vVh-]?$/.test(text))) return;
  throw new IscepError(
    "configuration",
    `${path.basename(program)} without a script of yours would run what the caller sends; write the script down: ` +
      `[${path.basename(program)}, ./script, …]`,
    isFromCaller ? { details: { element: before + index } } : {},
  );
}
