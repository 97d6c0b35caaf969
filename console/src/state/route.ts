/** Where in the app a person is: the path below /console/, the query, and the part behind #. */
import { signal } from "@preact/signals";

export const basePath = "/console/";

export interface Route {
  /** Without the base, decoded: `["runs", "0199…"]`. */
  readonly parts: readonly string[];
  readonly query: URLSearchParams;
  readonly hash: string;
}

export const route = signal<Route>(readRoute());

function readRoute(): Route {
  const { pathname, search, hash } = location;
  const rest = pathname.startsWith(basePath) ? pathname.slice(basePath.length) : "";
  return {
    parts: rest
      .split("/")
      .filter((part) => part !== "")
      .map(decoded),
    query: new URLSearchParams(search),
    hash: hash.slice(1),
  };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    // A broken escape stays as it is.
    return part;
  }
}

export function pathOf(...parts: readonly string[]): string {
  return basePath + parts.map(encodeURIComponent).join("/");
}

export function go(path: string, { replace = false } = {}): void {
  if (replace) history.replaceState(null, "", path);
  else history.pushState(null, "", path);
  const before = route.value;
  route.value = readRoute();
  if (before.parts.join("/") !== route.value.parts.join("/")) {
    scrollTo(0, 0);
    // The title of the new view gets the focus, so that keys and screen readers begin there.
    requestAnimationFrame(() => document.querySelector<HTMLElement>("h1")?.focus());
  }
}

/** Links within the app change the view without loading the page again. */
export function followLinks(): void {
  addEventListener("popstate", () => {
    route.value = readRoute();
  });
  document.addEventListener("click", (event) => {
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    )
      return;
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (link === null || link.target !== "" || link.hasAttribute("download")) return;
    if (link.origin !== location.origin || !link.pathname.startsWith(basePath)) return;
    if (link.pathname === location.pathname && link.search === location.search && link.hash !== "") return;
    event.preventDefault();
    go(link.pathname + link.search + link.hash);
  });
}
