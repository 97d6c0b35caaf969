/** Limits of logs, iscep.yaml, tokens files and certificates. */
import { forever, KiB, MiB, type Limit } from "./limit.js";

export const fileLimits = {
  // Logs
  maxLogFieldBytes: {
    default: 2 * KiB,
    max: 64 * KiB,
    reason: "bytes of one field of a log, so that one hostile value cannot fill the log",
  },
  maxLogBufferBytes: {
    default: 4 * MiB,
    max: 1024 * MiB,
    reason: "lines of one log that wait for a slow disk; more are counted and dropped",
  },
  maxLogFiles: {
    min: 1,
    default: 7,
    max: 3_650,
    reason: "earlier files of each log that are kept, one a day or more, as many as the days in the original",
  },
  maxLogFileBytes: {
    min: 64 * KiB,
    default: 256 * MiB,
    max: 1024 * 1024 * MiB,
    reason: "size of one file of a log; then the next one begins, so that calls and connections do not fill the disk",
  },
  maxLogArguments: {
    default: 32,
    max: 10_000,
    reason: "names of arguments in a line of the commands log; the rest is counted",
  },
  maxKeptArgumentsBytes: {
    default: 4 * KiB,
    max: 16 * KiB, // a page of 100 runs must fit in a packet
    reason: "values of arguments that a run keeps with `log_args`, as JSON; the names of the others are kept",
  },
  maxLogCauses: {
    default: 5,
    max: 100,
    reason: "causes of an error in a line of the error log, because a chain of causes may be endless",
  },
  maxLoggedSources: {
    default: 4_096,
    max: 1_000_000,
    reason: "addresses whose malformed input is counted separately; further addresses share one count",
  },
  malformedLogIntervalMs: {
    default: 1_000,
    max: forever,
    reason:
      "each address gets at most one line for malformed input, one for connections that open and one for those that close without a token, and each caller one for repeated refusals of calls, in this time; the rest is counted",
  },
  refusedCallLogBurst: {
    min: 1,
    default: 10,
    max: 1_000_000,
    reason:
      "lines for refused calls that one caller gets at once, and for connections without a token that one address gets, before there is one in each of the times above",
  },
  logFlushMs: {
    default: 500,
    max: forever,
    reason: "how long lines wait at most, so that many go to the disk in one write",
  },
  logProblemIntervalMs: {
    default: 60_000,
    max: forever,
    reason: "how often at most a log says that it cannot be written",
  },

  // iscep.yaml
  maxConfigurationBytes: {
    default: 1 * MiB,
    max: 64 * MiB,
    reason: "size of an iscep.yaml; a larger one is a mistake",
  },
  maxYamlAliases: {
    default: 100,
    max: 10_000,
    reason: "aliases in an iscep.yaml, because aliases of aliases grow without bound",
  },
  configurationSettleMs: {
    default: 100,
    max: forever,
    reason:
      "how long a changed iscep.yaml must stay the same before it is read, because an editor writes in several steps",
  },
  configurationCheckMs: {
    min: 1,
    default: 2_000,
    max: forever,
    reason: "how often the date of iscep.yaml is checked where the system reports no changes",
  },

  // Tokens and certificates
  maxTokensFileBytes: {
    default: 4 * MiB,
    max: 64 * MiB,
    reason: "size of a tokens file: about 10,000 tokens; a larger file is a mistake",
  },
  tokensFileCheckMs: {
    default: 250,
    max: forever,
    reason: "how often the date of the tokens file is checked where the system reports no changes",
  },
  fileLockTimeoutMs: {
    default: 10_000,
    max: forever,
    reason: "how long to wait for another process that writes the tokens file",
  },
  tokenLifetimeDays: {
    default: 90,
    max: 36_500,
    reason: "how long a new token is valid, unless you say otherwise; so a forgotten token ends by itself",
  },
  tokenWarningDays: {
    default: 14,
    max: 36_500,
    reason: "how long before a token or its own certificate ends a server warns, so that there is time for a new one",
  },
  tokenWarningIntervalMs: {
    min: 1,
    default: 3_600_000,
    max: forever,
    reason:
      "how often a server looks whether a token or its certificate ends soon, because the files may stay the same for months",
  },
  certificateLifetimeDays: {
    default: 3_650,
    max: 36_500,
    reason:
      "how long a certificate that iscep makes is valid: clients trust its key by the pin, and an end date would only stop the service",
  },
} as const satisfies Record<string, Limit>;
