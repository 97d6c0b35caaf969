/** What is shown: the sign-in, or the shell with the view of the address. */
import { useEffect } from "preact/hooks";
import type { JSX } from "preact";
import { ProblemNote } from "./parts/problem-note.js";
import { Shell } from "./parts/shell.js";
import { forgetActiveRuns, refreshActiveRuns } from "./state/active-runs.js";
import { announcement } from "./state/announce.js";
import { forgetCommands, loadCommands } from "./state/commands.js";
import { route, type Route } from "./state/route.js";
import { serverReturns } from "./state/server.js";
import { sessionState, type UnreachableState } from "./state/session.js";
import { AccessView } from "./views/access-view.js";
import { ActivityView } from "./views/activity-view.js";
import { CommandView } from "./views/command-view.js";
import { CommandsView } from "./views/commands-view.js";
import { MissingView } from "./views/missing-view.js";
import { RunView } from "./views/run-view.js";
import { RunsView } from "./views/runs-view.js";
import { SchedulesView } from "./views/schedules-view.js";
import { SignInView } from "./views/sign-in-view.js";

export function App(): JSX.Element {
  return (
    <>
      <Content />
      <div class="unseen" role="status" aria-live="polite">
        {announcement.value}
      </div>
    </>
  );
}

function Content(): JSX.Element | null {
  const state = sessionState.value;
  switch (state.kind) {
    case "unknown":
      return null;
    case "unreachable":
      return <Unreachable problem={state.problem} again={state.again} />;
    case "signed out":
      return <SignInView hasExpired={state.hasExpired} />;
    case "signed in":
      return <SignedIn />;
    default:
      return state satisfies never;
  }
}

function Unreachable({ problem, again }: Omit<UnreachableState, "kind">): JSX.Element {
  const returns = serverReturns.value;
  useEffect(() => {
    if (returns > 0) void again();
  }, [returns]);
  return (
    <main class="lonely">
      <ProblemNote problem={problem} onRetry={() => void again()} />
    </main>
  );
}

function SignedIn(): JSX.Element {
  useEffect(() => {
    void refreshActiveRuns();
    // The views tell a failure themselves.
    loadCommands().catch(() => undefined);
    return () => {
      // Somebody else may sign in next.
      forgetActiveRuns();
      forgetCommands();
    };
  }, []);
  return (
    <Shell>
      <View {...route.value} />
    </Shell>
  );
}

function View({ parts, query }: Route): JSX.Element {
  const [area = "commands", name, ...more] = parts;
  if (more.length > 0) return <MissingView />;
  if (area === "commands")
    return name === undefined ? (
      <CommandsView />
    ) : (
      <CommandView key={`${name}?${query}`} name={name} from={query.get("from")} />
    );
  if (area === "runs") return name === undefined ? <RunsView /> : <RunView key={name} run={name} />;
  if (name !== undefined) return <MissingView />;
  if (area === "schedules") return <SchedulesView />;
  if (area === "activity") return <ActivityView />;
  if (area === "access") return <AccessView />;
  return <MissingView />;
}
