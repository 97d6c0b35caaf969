#!/usr/bin/env node
import { runCommandLine } from "./program.js";
import { flushStreams, ignoreClosedPipes } from "./terminal/streams.js";

ignoreClosedPipes();
const exitCode = await runCommandLine(process.argv.slice(2));
await flushStreams();
// Not left to the event loop: what a served module holds open would keep a server alive that has closed.
process.exit(exitCode);
