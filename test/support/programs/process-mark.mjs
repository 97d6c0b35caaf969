// Prints the mark of a process that has then ended.
import { ownProcessMark } from "#iscep/files/process-mark";

console.log(ownProcessMark());
