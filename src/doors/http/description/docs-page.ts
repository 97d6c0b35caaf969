/** `GET /docs`: the reference of this server as a page, made from the same facts as /openapi.json. It loads nothing. */
import { createHash } from "node:crypto";
import { errorTable, type ErrorKind } from "../../../errors.js";
import { isJsonObject, type JsonObject } from "../../../wire/json.js";
import { httpFaults } from "../answer/http-faults.js";
import type { HttpMount } from "../request/mount.js";
import { openApi, visibleCommands } from "./openapi.js";

const style = `
:root { color-scheme: light dark; --line: #8884; --soft: #8882; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 0 auto; padding: 1rem; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
article { border: 1px solid var(--line); border-radius: .5rem; padding: .5rem 1rem; margin: 1rem 0; }
h3 { margin: .25rem 0; font-size: 1rem; overflow-wrap: anywhere; }
code, pre { font-family: ui-monospace, monospace; font-size: .9em; background: var(--soft); border-radius: .25rem; }
code { padding: 0 .25em; } pre { padding: .5rem; overflow: auto; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; vertical-align: top; padding: .25rem .5rem; border-bottom: 1px solid var(--line); }
:target { outline: 2px solid Highlight; }
`;

const styleHash = createHash("sha256").update(style).digest("base64");

/** What authors and callers wrote is text here. Even if it were markup, nothing could be loaded, and no script could run. */
const headers = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy": `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-store",
};

export const mountDocs: HttpMount = (app, host) => {
  app.get("/docs", async (context) => {
    const commands = await visibleCommands(context, host);
    return new Response(page(openApi(commands), commands.length), { headers });
  });
};

function page(document: JsonObject, commandCount: number): string {
  const operations = operationsOf(document);
  const own = operations.filter(({ path, method }) => path.startsWith("/commands/") && method === "post");
  const others = operations.filter((operation) => !own.includes(operation));
  const none =
    '<p>None is shown: sign in at <a href="/console/">the console</a>, or send a token with the scope discover.</p>';
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>iscep: reference</title><style>${style}</style></head><body>
<h1>Reference</h1>
<p>Every request carries <code>Authorization: Bearer TOKEN</code>, or the cookie of a signed-in browser. Programs read
<a href="/openapi.json">/openapi.json</a>, which says the same.</p>
<h2 id="commands">Commands</h2>
${commandCount === 0 ? none : own.map(articleOf).join("\n")}
<h2 id="requests">Requests</h2>
${others.map(articleOf).join("\n")}
<h2 id="errors">Errors</h2>
<p>An answer that is no success is <code>application/problem+json</code> (RFC 9457). Programs compare its <code>code</code>.</p>
<table><thead><tr><th>code</th><th>status</th><th>meaning</th></tr></thead><tbody>
${Object.entries(errorTable)
  .map(
    ([code, { http, sentence }]: [string, ErrorKind]) =>
      `<tr id="error-${code}"><td><code>${code}</code></td><td>${http}</td><td>${escaped(sentence)}</td></tr>`,
  )
  .join("\n")}
</tbody></table>
<h2 id="faults">Requests that are no call</h2>
<p>What is wrong with the request itself has a status of HTTP, and the nearest of these codes.</p>
<table><thead><tr><th>status</th><th>meaning</th></tr></thead><tbody>
${Object.entries(httpFaults)
  .map(([status, sentence]) => `<tr id="status-${status}"><td>${status}</td><td>${escaped(sentence)}</td></tr>`)
  .join("\n")}
</tbody></table>
</body></html>
`;
}

interface Operation {
  readonly path: string;
  readonly method: string;
  readonly facts: JsonObject;
  readonly schemas: JsonObject;
}

function operationsOf(document: JsonObject): Operation[] {
  const schemas = at(at(document, "components"), "schemas");
  return Object.entries(at(document, "paths")).flatMap(([path, methods]) =>
    Object.entries(isJsonObject(methods) ? methods : {}).map(([method, facts]) => ({
      path,
      method,
      facts: isJsonObject(facts) ? facts : {},
      schemas,
    })),
  );
}

function articleOf({ path, method, facts, schemas }: Operation): string {
  const parameters = Array.isArray(facts["parameters"]) ? facts["parameters"].filter(isJsonObject) : [];
  const body = at(at(at(at(facts, "requestBody"), "content"), "application/json"), "schema");
  const reference = text(body["$ref"]).split("/").at(-1) ?? "";
  const schema = reference === "" ? body : at(schemas, reference);
  return `<article><h3><code>${method.toUpperCase()} ${escaped(path)}</code> ${escaped(text(facts["summary"]))}</h3>
${facts["description"] === undefined ? "" : `<p>${escaped(text(facts["description"]))}</p>`}
${Object.keys(schema).length === 0 ? "" : `<pre>${escaped(JSON.stringify(schema, undefined, 2))}</pre>`}
${parameters.length === 0 ? "" : `<table><tbody>${parameters.map(rowOf).join("")}</tbody></table>`}</article>`;
}

function rowOf(parameter: JsonObject): string {
  const { name, in: place, description } = parameter;
  return `<tr><td><code>${escaped(text(name))}</code></td><td>${escaped(text(place))}</td><td>${escaped(text(description))}</td></tr>`;
}

function at(object: JsonObject, member: string): JsonObject {
  const value = Object.hasOwn(object, member) ? object[member] : undefined;
  return isJsonObject(value) ? value : {};
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Marks that turn the direction of text around are shown as what they are. */
function escaped(value: string): string {
  return value
    .replace(/[&<>"']/g, (character) => entities[character] ?? "")
    .replace(/[\u202A-\u202E\u2066-\u2069\u200E\u200F]/g, (mark) => `\\u${mark.charCodeAt(0).toString(16)}`);
}
