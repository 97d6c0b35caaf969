import { pathToFileURL } from "node:url";

/**
 * The file: URL of the module that called the function `below`. A worker thread imports it to find a command again.
 * undefined when it is not a file (the REPL, `node --eval`).
 */
export function callingModule(below: (...args: never[]) => unknown): string | undefined {
  const holder: { stack?: unknown } = {};
  // oxlint-disable-next-line typescript/unbound-method -- only put back as it was
  const { prepareStackTrace, stackTraceLimit } = Error;
  try {
    Error.stackTraceLimit = 1;
    // The frames themselves are read, because the text of a stack names the sources of a source map, which cannot be
    // imported.
    Error.prepareStackTrace = (_error, frames) => frames[0]?.getFileName() ?? undefined;
    Error.captureStackTrace(holder, below);
    const file = holder.stack;
    if (typeof file !== "string") return undefined;
    if (file.startsWith("file:")) return file;
    return file.startsWith("/") || /^[A-Za-z]:\\/.test(file) ? pathToFileURL(file).href : undefined;
  } finally {
    Error.prepareStackTrace = prepareStackTrace;
    Error.stackTraceLimit = stackTraceLimit;
  }
}
