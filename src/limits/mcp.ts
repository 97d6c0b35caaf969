/** Limits of the MCP door, and of `iscep mcp`. */
import { forever, KiB, type Limit } from "./limit.js";

export const mcpLimits = {
  mcpAnswerMs: {
    min: 1,
    default: 45_000,
    max: forever,
    reason:
      "MCP: how long a call of a tool waits for the end of its run, before the answer is the run's id; many clients give up after 60 s",
  },
  mcpIdMs: {
    min: 1,
    default: 5_000,
    max: forever,
    reason:
      "MCP: how much longer the answer waits for the id of the run, when the connection to the server is being made again",
  },
  mcpProgressIntervalMs: {
    min: 1,
    default: 15_000,
    max: forever,
    reason:
      "MCP: how often a client that asked for progress hears of a run that says nothing, so that it goes on waiting",
  },
  mcpNewsIntervalMs: {
    default: 1_000,
    max: forever,
    reason: "MCP: how often at most a client hears of a run that says much; the latest counts",
  },
  maxMcpTextBytes: {
    min: 1 * KiB,
    default: 16 * KiB,
    max: 1024 * KiB,
    reason: "MCP: output or value in one answer, because a model reads all of it; the rest is read with run_output",
  },
  maxMcpTools: {
    min: 1,
    default: 250,
    max: 10_000,
    reason: "MCP: tools on one page of their list",
  },
  mcpToolsMs: {
    min: 1,
    default: 30_000,
    max: forever,
    reason:
      "MCP: how long a client may take its list of tools for new, and how often `iscep mcp` looks for changed commands",
  },
  mcpListenCheckMs: {
    min: 1,
    default: 1_000,
    max: forever,
    reason: "MCP: how soon a stream on which a client hears of changed tools ends when its token is no longer good",
  },
  maxGivenUpCalls: {
    default: 1_000,
    max: 1_000_000,
    reason:
      "MCP: calls whose client went away before the answer, and that are found again when the client repeats them",
  },
} as const satisfies Record<string, Limit>;
