/** `GET /schedules`: what the server runs by itself. */
import { jsonResponse } from "./answer/json-response.js";
import type { HttpMount } from "./request/mount.js";

export const mountSchedules: HttpMount = (app, host) => {
  app.get("/schedules", async (context) => {
    const schedules = await host.clientOf(context).schedules();
    return jsonResponse({ schedules: schedules.map((one) => Object.assign(one, { nextAtMs: one.nextMs[0] ?? null })) });
  });
};
