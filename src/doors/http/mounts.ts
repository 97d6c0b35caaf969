/** The parts of the door, in the order in which their routes are asked. A new part is one line here and a file of its own. */
import { mountCommands } from "./calls/commands.js";
import { mountConsole } from "./console-files.js";
import { mountIndex } from "./index-page.js";
import { mountDocs } from "./description/docs-page.js";
import { mountHealth } from "./health.js";
import { mountHooks } from "./calls/hooks.js";
import { mountMcp } from "./mcp.js";
import type { HttpMount } from "./request/mount.js";
import { mountOpenApi } from "./description/openapi.js";
import { mountRuns } from "./runs/runs.js";
import { mountSchedules } from "./schedules.js";
import { mountTyping } from "./runs/typing.js";
import { mountSession } from "./session.js";

export const mounts: readonly HttpMount[] = [
  mountCommands,
  mountRuns,
  mountTyping,
  mountSchedules,
  mountSession,
  mountHealth,
  mountHooks,
  mountMcp,
  mountOpenApi,
  mountDocs,
  mountConsole,
  mountIndex,
];
