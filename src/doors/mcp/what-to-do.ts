/** What a model can do about each error. A person reads the sentences of the table of errors instead. */
import type { ErrorCode } from "../../errors.js";

const askPerson = "Tell the person about it: you cannot mend this.";

export const whatToDo = {
  usage: "Call it again as the message says.",
  configuration: askPerson,
  invalid_arguments: "Nothing ran. Call it again with arguments that fit.",
  too_large: "Ask for less, or send less.",
  connect_failed: "Nothing ran. The server may be down; try again later, or tell the person.",
  not_trusted: askPerson,
  listen_failed: askPerson,
  closed: "Nothing ran. Try again later.",
  busy: "Nothing ran. Try again later.",
  lost: "It may have run or not: look with run_list before you call it again.",
  protocol: askPerson,
  unauthorized: "The token of this connection does not allow it. Tell the person.",
  command_not_found: "Nothing ran. Look at the list of tools again, as it may have changed.",
  run_not_found: "run_list shows the runs that there are.",
  output_gone: "Read on at a later offset.",
  value_gone: "Its output may still be there: run_output shows it.",
  timeout: "It took longer than it may. What it has done until then stays done.",
  cancelled: "What it has done until then stays done.",
  killed: "What it has done until then stays done.",
  failed: "What it has done until then stays done.",
  internal: askPerson,
} as const satisfies Record<ErrorCode, string>;
