/** `GET /` for programs: where everything is. Browsers are led to the console before. */
import { jsonResponse } from "./answer/json-response.js";
import type { HttpMount } from "./request/mount.js";

const places = {
  commands: "/commands",
  runs: "/runs",
  schedules: "/schedules",
  session: "/session",
  openapi: "/openapi.json",
  docs: "/docs",
  console: "/console/",
  mcp: "/mcp",
};

export const mountIndex: HttpMount = (app) => {
  app.get("/", () => jsonResponse(places));
};
