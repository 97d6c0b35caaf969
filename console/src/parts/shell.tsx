/** What stands around every view: the way to the others, what is running, the theme, and the state of the server. */
import { useEffect, useState } from "preact/hooks";
import type { ComponentChildren, JSX } from "preact";
import { activeRuns } from "../state/active-runs.js";
import { pathOf, route } from "../state/route.js";
import { serverIsGone } from "../state/server.js";
import { leave, sessionState } from "../state/session.js";
import { nowMs } from "../state/clock.js";
import { theme, themes } from "../state/theme.js";
import { relativeTime } from "../words/time.js";
import { visibleLine } from "../../../src/text/visible-text.js";
import { Duration } from "./moment.js";
import { Icon, type IconName } from "./icon.js";
import { ShortcutsDialog, useShortcuts } from "./shortcuts.js";

const areas: readonly { readonly area: string; readonly title: string; readonly icon: IconName }[] = [
  { area: "commands", title: "Commands", icon: "commands" },
  { area: "runs", title: "Runs", icon: "runs" },
  { area: "schedules", title: "Schedules", icon: "schedules" },
  { area: "activity", title: "Activity", icon: "activity" },
  { area: "access", title: "Access", icon: "access" },
];

export function Shell({ children }: { readonly children: ComponentChildren }): JSX.Element {
  const [isHelpOpen, setHelpOpen] = useState(false);
  useShortcuts(() => setHelpOpen(true));
  const [current = "commands"] = route.value.parts;
  return (
    <div class="shell">
      <a class="skip" href="#main">
        Skip to content
      </a>
      <aside class="rail">
        <a class="brand" href={pathOf()}>
          <svg viewBox="0 0 32 32" aria-hidden="true" focusable="false">
            <rect width="32" height="32" rx="8" />
            <path d="M9 11l5 5-5 5M17 22h7" />
          </svg>
          iscep
        </a>
        <nav aria-label="Areas">
          {areas.map(({ area, title, icon }) => (
            <a key={area} class="nav" href={pathOf(area)} aria-current={current === area ? "page" : undefined}>
              <Icon name={icon} />
              <span>{title}</span>
            </a>
          ))}
        </nav>
        <Running />
        <div class="rail-end">
          <ThemeChoice />
          <Account />
          <button type="button" class="link-button" onClick={() => setHelpOpen(true)}>
            Keyboard <kbd>?</kbd>
          </button>
        </div>
      </aside>
      <div class="content">
        <Notices />
        <main id="main" tabIndex={-1}>
          {children}
        </main>
      </div>
      {isHelpOpen && <ShortcutsDialog onClose={() => setHelpOpen(false)} />}
    </div>
  );
}

function Running(): JSX.Element | null {
  const runs = activeRuns.value;
  if (runs.length === 0) return null;
  return (
    <section class="running" aria-labelledby="running-title">
      <h2 id="running-title">Running now</h2>
      <ul>
        {runs.slice(0, 8).map(({ run, command, startedAtMs }) => (
          <li key={run}>
            <a href={pathOf("runs", run)} aria-current={route.value.parts[1] === run ? "page" : undefined}>
              <span class="dot" aria-hidden="true" />
              <span class="cut">{visibleLine(command)}</span>
              <Duration fromMs={startedAtMs} toMs={undefined} />
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}

function ThemeChoice(): JSX.Element {
  return (
    <fieldset class="themes">
      <legend class="unseen">Colours</legend>
      {themes.map((name) => (
        <label key={name} title={name}>
          <input
            type="radio"
            name="theme"
            class="unseen"
            checked={theme.value === name}
            onChange={() => (theme.value = name)}
          />
          <Icon name={name} />
          <span class="unseen">{name}</span>
        </label>
      ))}
    </fieldset>
  );
}

function Account(): JSX.Element | null {
  const state = sessionState.value;
  if (state.kind !== "signed in") return null;
  const { owner, isOpen } = state.session;
  return (
    <div class="account">
      <span class="cut" title={visibleLine(owner)}>
        {isOpen ? "no token needed" : owner === "" ? "signed in" : visibleLine(owner)}
      </span>
      {!isOpen && (
        <button type="button" class="icon-button" onClick={() => void leave()} title="Sign out">
          <Icon name="out" />
          <span class="unseen">Sign out</span>
        </button>
      )}
    </div>
  );
}

const soonMs = 10 * 60_000;

function Notices(): JSX.Element {
  const state = sessionState.value;
  const expiresAtMs = state.kind === "signed in" ? state.session.expiresAtMs : undefined;
  const expiresSoon = expiresAtMs !== undefined && expiresAtMs - nowMs.value < soonMs;
  const [wasGone, setWasGone] = useState(false);
  const isGone = serverIsGone.value;
  useEffect(() => {
    if (isGone) {
      setWasGone(true);
      return undefined;
    }
    const timer = setTimeout(() => setWasGone(false), 4_000);
    return () => clearTimeout(timer);
  }, [isGone]);
  return (
    <div class="notices" role="status">
      {isGone && (
        <p class="notice is-bad">
          The server does not answer. This page tries again by itself; running commands go on.
        </p>
      )}
      {!isGone && wasGone && <p class="notice is-good">The server is back.</p>}
      {expiresSoon && (
        <p class="notice">
          This sign-in ends {relativeTime(expiresAtMs, nowMs.value)}. Sign in again to stay; runs that were started go
          on.
        </p>
      )}
    </div>
  );
}
