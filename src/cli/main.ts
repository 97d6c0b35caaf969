#!/usr/bin/env node
import type * as CommandLine from "./command-line.js";

/** These verbs speak to a server. They are in one file (scripts/command-line.mjs), which loads in half the time. */
const bundled: ReadonlySet<string | undefined> = new Set([
  "call",
  "ls",
  "runs",
  "login",
  "servers",
  "instances",
  "ping",
  "completion",
  "__complete",
]);

const words = process.argv.slice(2);
const verb = words.find((word) => !word.startsWith("-"));
// The build writes this file, so the compiler does not know it.
const file = "./bundled.js";
const { flushStreams, ignoreClosedPipes, runCommandLine } = bundled.has(verb)
  ? ((await import(file)) as typeof CommandLine)
  : await import("./command-line.js");

ignoreClosedPipes();
const exitCode = await runCommandLine(words);
await flushStreams();
// The process is ended explicitly: a served module may hold something open that would keep a closed server alive.
process.exit(exitCode);
