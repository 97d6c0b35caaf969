#!/usr/bin/env node
import { runCommandLine } from "./program.js";
import { flushStreams, ignoreClosedPipes } from "./terminal/streams.js";

ignoreClosedPipes();
const exitCode = await runCommandLine(process.argv.slice(2));
await flushStreams();
// The process is ended explicitly: a served module may hold something open that would keep a closed server alive.
process.exit(exitCode);
