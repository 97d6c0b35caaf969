/** `GET /openapi.json`: this server as OpenAPI 3.1, with the commands that this caller may run. */
import type { CommandDescription } from "../../../model/command.js";
import { isIscepError } from "../../../errors.js";
import { packageVersion } from "../../../version.js";
import { jsonResponse } from "../answer/json-response.js";
import type { HttpContext, HttpHost, HttpMount } from "../request/mount.js";
import { callHeaders, fixedPaths, inputQuery, jsonContent, problems } from "./paths.js";
import { objectOf, ref, schemas, type Json } from "./schemas.js";
import { tokenOf } from "../request/credentials.js";

export const mountOpenApi: HttpMount = (app, host) => {
  app.get("/openapi.json", async (context) => jsonResponse(openApi(await visibleCommands(context, host))));
};

/**
 * A caller who shows no token sees what all see. A token without the scope `discover` gives no commands.
 * @throws IscepError `unauthorized` for a wrong token
 */
export async function visibleCommands(context: HttpContext, host: HttpHost): Promise<readonly CommandDescription[]> {
  const hasToken = tokenOf(context, host.sessions) !== undefined;
  if (hasToken) host.clientOf(context);
  try {
    return await host.clientOf(context).list();
  } catch (error) {
    if (isIscepError(error) && error.code === "unauthorized") return [];
    throw error;
  }
}

export function openApi(commands: readonly CommandDescription[]): Json {
  const components: Record<string, unknown> = { ...schemas };
  const paths: Record<string, unknown> = { ...fixedPaths };
  for (const command of commands) {
    paths[`/commands/${encodeURIComponent(command.name)}`] = { post: operationOf(command, components) };
  }
  return {
    openapi: "3.1.1",
    info: {
      title: "iscep",
      version: packageVersion,
      description: "Commands of this server that the caller may run, and their runs.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    security: [{ token: [] }, { session: [] }, {}],
    tags: [{ name: "commands" }, { name: "runs" }, { name: "session" }, { name: "operations" }],
    paths,
    components: {
      schemas: components,
      responses: {
        Problem: {
          description: "what went wrong, and what to do about it",
          content: { "application/problem+json": { schema: ref("Problem") } },
        },
      },
      securitySchemes: {
        token: { type: "http", scheme: "bearer", description: "a token of `iscep tokens add`" },
        session: { type: "apiKey", in: "cookie", name: "iscep", description: "the session of a browser" },
      },
    },
  };
}

/** @param components gets the schemas of the command */
function operationOf(command: CommandDescription, components: Record<string, unknown>): Json {
  const { name, description } = command;
  const args = addSchema(components, `${name}.args`, command.args);
  const value = command.result === undefined ? {} : { value: addSchema(components, `${name}.value`, command.result) };
  const needsBody = ((command.args["required"] ?? []) as readonly unknown[]).length > 0;
  return {
    operationId: `run ${name}`,
    summary: description === "" ? `Runs ${name}` : description,
    tags: ["commands"],
    parameters: "stdin" in command ? [...callHeaders, ...inputQuery] : callHeaders,
    requestBody: {
      required: needsBody,
      content: {
        ...jsonContent(args),
        ...("stdin" in command
          ? {
              "application/octet-stream": {},
              "multipart/form-data": {
                schema: objectOf({ args, stdin: { type: "string", contentMediaType: "application/octet-stream" } }, []),
              },
            }
          : {}),
      },
    },
    responses: {
      200: {
        description: "it completed; with `Accept: text/event-stream`, the run live",
        content: {
          ...jsonContent({
            allOf: [
              ref("Outcome"),
              objectOf({ run: { type: "string" }, status: { const: "completed" }, ...value }, ["status"]),
            ],
          }),
          "text/event-stream": { schema: { type: "string" } },
        },
      },
      202: {
        description: "it goes on; its address is in Location",
        headers: { Location: { schema: { type: "string" } }, "Retry-After": { schema: { type: "integer" } } },
        content: jsonContent(ref("Started")),
      },
      ...problems,
    },
  };
}

/** References within a schema lead to its own root, which is another place in this document. */
function addSchema(components: Record<string, unknown>, wanted: string, schema: Json): Json {
  const base = wanted.replace(/[^\w.-]/g, "_");
  let name = base;
  for (let count = 2; name in components; count++) name = `${base}_${count}`;
  components[name] = moved(schema, `#/components/schemas/${name}`);
  return ref(name);
}

/** Their members are names that the author chose, and no keywords. */
const mapsOfSchemas = new Set(["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"]);
const plainValues = new Set(["enum", "const", "default", "examples", "required"]);

function moved(schema: unknown, root: string): unknown {
  if (Array.isArray(schema)) return schema.map((item) => moved(item, root));
  if (typeof schema !== "object" || schema === null) return schema;
  const members = Object.entries(schema)
    .filter(([keyword]) => keyword !== "$schema" && keyword !== "$id")
    .map(([keyword, value]: [string, unknown]): [string, unknown] => {
      if (keyword === "$ref")
        return [keyword, typeof value === "string" && value.startsWith("#") ? root + value.slice(1) : value];
      if (plainValues.has(keyword)) return [keyword, value];
      return [keyword, mapsOfSchemas.has(keyword) ? movedMap(value, root) : moved(value, root)];
    });
  return Object.fromEntries(members);
}

function movedMap(map: unknown, root: string): unknown {
  if (typeof map !== "object" || map === null) return map;
  return Object.fromEntries(Object.entries(map).map(([name, schema]) => [name, moved(schema, root)]));
}
