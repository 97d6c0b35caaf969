/** Subjects on which a command is called without a session. The name of the command is the rest of the subject. */

const escapedDot = "%2E";

/**
 * Dots separate the parts of a subject, and no part may be empty. So a name that would make an empty part has its dots
 * escaped.
 */
function partsOf(command: string): string {
  return command.split(".").includes("") ? command.replaceAll(".", escapedDot) : command;
}

/** The command that the rest of a subject, behind `prefix`, names. */
export function commandOf(subject: string, prefix: string): string {
  return subject.slice(prefix.length).replaceAll(escapedDot, ".");
}

/** The run and the command that a subject of `submit` names. */
export function submittedOf(subject: string, service: string): { readonly run: string; readonly command: string } {
  const rest = subject.slice(callSubjects.submits(service).length);
  const dot = rest.indexOf(".");
  return { run: rest.slice(0, dot), command: commandOf(rest, rest.slice(0, dot + 1)) };
}

export const callSubjects = {
  /** Any instance takes the call: all instances that have room are one queue group. */
  call: (service: string, command: string) => `${callSubjects.calls(service)}${partsOf(command)}`,
  calls: (service: string) => `iscep.${service}.call.`,
  /** This instance takes the call. */
  to: (service: string, instance: string, command: string) =>
    `${callSubjects.allTo(service, instance)}${partsOf(command)}`,
  allTo: (service: string, instance: string) => `iscep.${service}.to.${instance}.`,
  /** The call waits in JetStream, under the id of its run, until an instance takes it. */
  submit: (service: string, run: string, command: string) =>
    `${callSubjects.submits(service)}${run}.${partsOf(command)}`,
  submits: (service: string) => `iscep.${service}.submit.`,
  /** Asks what became of a call that was submitted. */
  durable: (service: string) => `iscep.${service}.durable`,
} as const;

/** The queue group of all instances that have room. */
export const queueGroup = "iscep";
