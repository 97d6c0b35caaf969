/** Limits of notices about runs that ended, and of webhooks. */
import { forever, KiB, MiB, type Limit } from "./limit.js";

export const noticeLimits = {
  maxNotices: { min: 1, default: 4, max: 1_000, reason: "notices that are being given at once" },
  maxQueuedNotices: {
    default: 256,
    max: 100_000,
    reason:
      "notices that wait, also for their next try; one owner may have as many as are free, so half of them; one more is dropped, and the error log counts it",
  },
  noticeTimeoutMs: {
    min: 1,
    default: 30_000,
    max: forever,
    reason: "time for the script of a notice, or for one request",
  },
  noticeRetryMs: {
    min: 1,
    default: 1_000,
    max: forever,
    reason: "pause before a notice is sent again; it grows four times with each try",
  },
  maxNoticeRetryMs: { min: 1, default: 600_000, max: forever, reason: "the longest of these pauses" },
  maxNoticeTries: { min: 1, default: 8, max: 100, reason: "requests for one notice, in some 25 minutes" },
  noticeCloseMs: {
    default: 2_000,
    max: forever,
    reason: "how long a server that closes waits for notices; then their scripts are ended",
  },
  maxNoticeStderrBytes: {
    default: 4 * KiB,
    max: 64 * KiB,
    reason: "the end of a run's standard error in a notice, at most 20 lines of it",
  },
  maxNoticeAnswerBytes: {
    default: 64 * KiB,
    max: 64 * MiB,
    reason: "what is read of the answer to a notice; more of it makes no difference",
  },
  webhookToleranceMs: {
    default: 300_000,
    max: forever,
    reason: "how old a message of Standard Webhooks may be, or how far ahead, so that it cannot be sent again later",
  },
  maxWebhookSecretBytes: { min: 1, default: 4 * KiB, max: 64 * KiB, reason: "a file with the secret of a webhook" },
} as const satisfies Readonly<Record<string, Limit>>;
