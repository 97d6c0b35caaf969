/** Serves the console to browsers: the files of dist/console/, which need no token. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import type { HttpContext, HttpMount } from "./request/mount.js";
import { httpFault, problem } from "./answer/problem.js";

const folder = fileURLToPath(new URL("../../console", import.meta.url));

const mediaTypes: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

/**
 * Scripts and styles come from this server only, and none from within the page. The page cannot be shown in a frame, and
 * text can never become markup (trusted types).
 */
const securityHeaders = {
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; "),
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

interface ConsoleFile {
  readonly bytes: Buffer;
  readonly zipped: Buffer;
  readonly type: string;
  readonly etag: string;
  /** The name has a hash of the content, so a browser need never ask again. */
  readonly isForever: boolean;
}

type ConsoleFiles = ReadonlyMap<string, ConsoleFile>;

export const mountConsole: HttpMount = (app) => {
  let files: ConsoleFiles | undefined;
  app.get("/", async (context, next) => {
    if (!wantsPage(context)) return next();
    return context.redirect("/console/");
  });
  app.get("/console", (context) => context.redirect("/console/"));
  app.get("/console/*", (context) => {
    // The files are few and small, and are read when the first browser comes.
    files ??= readFiles();
    const name = context.req.path.slice("/console/".length);
    // The app itself knows what its other paths mean.
    const file = files.get(name) ?? (name.startsWith("assets/") ? undefined : files.get("index.html"));
    if (file !== undefined) return fileResponse(context, file);
    const message =
      files.size === 0
        ? "this package was built without the console; build it with `npm run build`"
        : "the console has no such file; load the page again";
    return problem(httpFault(404, "usage", message));
  });
};

function wantsPage({ req }: HttpContext): boolean {
  return /\btext\/html\b/i.test(req.header("accept") ?? "");
}

function fileResponse({ req }: HttpContext, file: ConsoleFile): Response {
  const headers = {
    ...securityHeaders,
    etag: file.etag,
    vary: "accept-encoding",
    "cache-control": file.isForever ? "public, max-age=31536000, immutable" : "no-cache",
  };
  if (req.header("if-none-match")?.includes(file.etag) === true) return new Response(null, { status: 304, headers });
  const isZipped = /\bgzip\b/i.test(req.header("accept-encoding") ?? "");
  return new Response(new Uint8Array(isZipped ? file.zipped : file.bytes), {
    headers: { ...headers, "content-type": file.type, ...(isZipped ? { "content-encoding": "gzip" } : {}) },
  });
}

function readFiles(): ConsoleFiles {
  const names = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: "utf8" }) : [];
  const files = new Map<string, ConsoleFile>();
  for (const name of names) {
    const type = mediaTypes[path.extname(name)];
    if (type === undefined) continue;
    const bytes = readFileSync(path.join(folder, name));
    files.set(name.split(path.sep).join("/"), {
      bytes,
      zipped: gzipSync(bytes, { level: 9 }),
      type,
      etag: `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"`,
      isForever: name.startsWith("assets"),
    });
  }
  return files;
}
