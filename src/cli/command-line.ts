/** The command line as main.ts runs it. The build makes one file of this, without the verbs of servers. */
export { runCommandLine } from "./program.js";
export { flushStreams, ignoreClosedPipes } from "./terminal/streams.js";
