// Prints the mark of a process that has then ended.
import { ownProcessMark } from "#iscep/process-mark";

console.log(ownProcessMark());
