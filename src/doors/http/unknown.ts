/** Answers requests that no route takes: the path does not exist, or it does not have this method. */
import type { Hono } from "hono";
import type { HttpContext, HttpEnv } from "./request/mount.js";
import { httpFault, problem } from "./answer/problem.js";

interface KnownPath {
  readonly pattern: RegExp;
  readonly methods: Set<string>;
}

/** Call it when the app has all its routes. */
export function unknownRequest(app: Hono<HttpEnv>): (context: HttpContext) => Response {
  const paths = new Map<string, KnownPath>();
  for (const { path, method } of app.routes) {
    if (method === "ALL") continue;
    const known = paths.get(path) ?? { pattern: patternOf(path), methods: new Set() };
    known.methods.add(method);
    if (method === "GET") known.methods.add("HEAD");
    paths.set(path, known);
  }
  return ({ req }) => {
    const methods = new Set<string>();
    for (const { pattern, methods: its } of paths.values()) {
      if (pattern.test(req.path)) for (const method of its) methods.add(method);
    }
    if (methods.size === 0) {
      return problem(httpFault(404, "usage", "there is nothing at this path; GET /openapi.json tells what there is"));
    }
    const allow = [...methods, "OPTIONS"].join(", ");
    if (req.method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
    return problem(httpFault(405, "usage", `this path has only the methods ${allow}`), { headers: { allow } });
  };
}

function patternOf(path: string): RegExp {
  const parts = path.split("/").map((part) => {
    if (part.startsWith(":")) return "[^/]+";
    return part === "*" ? ".*" : part.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  });
  return new RegExp(`^${parts.join("/")}$`);
}
