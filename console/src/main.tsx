/** Starts the console. */
import { render } from "preact";
import { App } from "./app.js";
import { watchActiveRuns } from "./state/active-runs.js";
import { runClock } from "./state/clock.js";
import { followLinks } from "./state/route.js";
import { watchServer } from "./state/server.js";
import { openSession, watchSession } from "./state/session.js";
import { followTheme } from "./state/theme.js";

const root = document.querySelector("#app");
if (root !== null) {
  followTheme();
  followLinks();
  watchServer();
  watchSession();
  watchActiveRuns();
  runClock();
  render(<App />, root);
  void openSession();
}
