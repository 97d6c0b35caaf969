// @ts-check
/** Loaded before everything else (--import): a thread that leaves before it has started. */
import { isMainThread } from "node:worker_threads";

if (!isMainThread) process.exit(3);
