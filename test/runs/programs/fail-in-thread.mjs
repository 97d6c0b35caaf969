// @ts-check
/** Loaded before everything else (--import): a thread that cannot even start. */
import { isMainThread } from "node:worker_threads";

if (!isMainThread) throw new Error("no thread today");
