/** The parts of the door, in the order in which their routes are asked. A new part is one line here and a file of its own. */
import { mountCommands } from "./commands.js";
import { mountConsole } from "./console-files.js";
import { mountIndex } from "./index-page.js";
import { mountDocs } from "./docs-page.js";
import { mountHealth } from "./health.js";
import { mountHooks } from "./hooks.js";
import { mountMcp } from "./mcp.js";
import type { HttpMount } from "./mount.js";
import { mountOpenApi } from "./openapi.js";
import { mountRuns } from "./runs.js";
import { mountSchedules } from "./schedules.js";
import { mountTyping } from "./typing.js";
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
