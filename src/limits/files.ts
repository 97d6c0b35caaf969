/** Limits of logs, iscep.yaml, tokens files and certificates. */
import { forever, KiB, MiB, type Limit } from "./limit.js";

export const fileLimits = {
  // Logs
  maxLogFieldBytes: { default: 2 * KiB, max: 64 * KiB, reason: "one hostile value cannot fill the log" },
  maxLogBufferBytes: {
    default: 4 * MiB,
    max: 1024 * MiB,
    reason: "lines of one log that wait for a disk that takes nothing; more are counted and dropped",
  },
  maxLogFiles: { min: 1, default: 7, max: 3_650, reason: "days of logs that are kept, as in the original" },
  maxLogArguments: {
    default: 32,
    max: 10_000,
    reason: "names of arguments in a line of the commands log; the rest is counted",
  },
  maxLogCauses: {
    default: 5,
    max: 100,
    reason: "an error and its causes in a line of the error log; chains may be endless",
  },
  maxLoggedSources: {
    default: 4_096,
    max: 1_000_000,
    reason: "addresses whose malformed input is counted apart; beyond, together",
  },
  malformedLogIntervalMs: {
    default: 1_000,
    max: forever,
    reason: "malformed input makes a line a source at most this often; the rest is counted",
  },
  logFlushMs: {
    default: 500,
    max: forever,
    reason: "lines wait this long at most, so that many go to the disk in one write",
  },
  logProblemIntervalMs: {
    default: 60_000,
    max: forever,
    reason: "a log that cannot be written says so at most this often",
  },

  // iscep.yaml
  maxConfigurationBytes: { default: 1 * MiB, max: 64 * MiB, reason: "an iscep.yaml; a larger one is a mistake" },
  maxYamlAliases: { default: 100, max: 10_000, reason: "aliases of aliases in an iscep.yaml grow without bound" },
  configurationSettleMs: {
    default: 100,
    max: forever,
    reason: "an editor writes in several steps: a changed iscep.yaml is read when it has been left alone for so long",
  },
  configurationCheckMs: {
    min: 1,
    default: 2_000,
    max: forever,
    reason: "the date of iscep.yaml is compared this often where the system reports no changes",
  },

  // Tokens and certificates
  maxTokensFileBytes: { default: 4 * MiB, max: 64 * MiB, reason: "about 10,000 tokens; a larger file is a mistake" },
  tokensFileCheckMs: {
    default: 250,
    max: forever,
    reason: "the tokens file's date is compared this often where the system reports no changes",
  },
  fileLockTimeoutMs: {
    default: 10_000,
    max: forever,
    reason: "waiting for another process that writes the tokens file",
  },
  tokenLifetimeDays: {
    default: 90,
    max: 36_500,
    reason: "a new token's, unless said otherwise: a forgotten token ends by itself",
  },
  tokenWarningDays: {
    default: 14,
    max: 36_500,
    reason: "before a token expires its server says so, in time to rotate it",
  },
  certificateLifetimeDays: {
    default: 3_650,
    max: 36_500,
    reason:
      "of a certificate that iscep makes: clients trust its key by the pin, and a date would only stop the service",
  },
} as const satisfies Record<string, Limit>;
