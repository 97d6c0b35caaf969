/**
 * Makes the types of openapi-fetch from an OpenAPI document. openapi-typescript does the same, but needs a compiler of version 5
 * beside ours. This knows only what our document uses, and throws for anything else.
 */

type Json = Readonly<Record<string, unknown>>;

export function typesOf(document: Json): string {
  const paths = Object.entries(objectAt(document, "paths")).map(
    ([path, methods]) => `  ${JSON.stringify(path)}: ${pathType(methods as Json)};`,
  );
  const schemas = Object.entries(objectAt(objectAt(document, "components"), "schemas")).map(
    ([name, schema]) => `    ${JSON.stringify(name)}: ${typeOf(schema as Json)};`,
  );
  return [
    "// Made from /openapi.json by test/support/openapi-types.ts. A test holds it against the server.",
    "export interface paths {",
    ...paths,
    "}",
    "export interface components {",
    "  schemas: {",
    ...schemas,
    "  };",
    "}",
    "",
  ].join("\n");
}

const methods = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

function pathType(path: Json): string {
  const members = methods.map((method) => {
    const operation = path[method];
    return operation === undefined ? `${method}?: never` : `${method}: ${operationType(operation as Json)}`;
  });
  return `{ parameters: { query?: never; header?: never; path?: never; cookie?: never }; ${members.join("; ")} }`;
}

function operationType(operation: Json): string {
  const parameters = (operation["parameters"] ?? []) as Json[];
  const of = (place: string): string => {
    const own = parameters.filter((parameter) => parameter["in"] === place);
    if (own.length === 0) return `${place}?: never`;
    const isRequired = own.some((parameter) => parameter["required"] === true);
    const members = own.map(
      (one) => `${JSON.stringify(one["name"])}${one["required"] === true ? "" : "?"}: ${typeOf(one["schema"] as Json)}`,
    );
    return `${place}${isRequired ? "" : "?"}: { ${members.join("; ")} }`;
  };
  const body = operation["requestBody"] as Json | undefined;
  const requestBody =
    body === undefined
      ? "requestBody?: never"
      : `requestBody${body["required"] === true ? "" : "?"}: { content: ${contentType(body)} }`;
  const responses = Object.entries(objectAt(operation, "responses")).map(([status, response]) => {
    const isProblem = (response as Json)["$ref"] !== undefined;
    const content = isProblem
      ? '{ "application/problem+json": components["schemas"]["Problem"] }'
      : contentType(response as Json);
    return `${/^\d+$/.test(status) ? status : JSON.stringify(status)}: { headers: { [name: string]: unknown }; content: ${content} }`;
  });
  return `{ parameters: { ${["query", "header", "path", "cookie"].map(of).join("; ")} }; ${requestBody}; responses: { ${responses.join("; ")} } }`;
}

function contentType(holder: Json): string {
  if (holder["content"] === undefined) return "{ [mediaType: string]: never }";
  const members = Object.entries(objectAt(holder, "content")).map(([type, media]) => {
    const schema = (media as Json)["schema"];
    return `${JSON.stringify(type)}: ${schema === undefined ? "unknown" : typeOf(schema as Json)}`;
  });
  return `{ ${members.join("; ")} }`;
}

function typeOf(schema: Json): string {
  const {
    $ref,
    type,
    properties,
    items,
    required = [],
    allOf,
    anyOf,
    oneOf,
  } = schema as {
    $ref?: string;
    type?: string | string[];
    properties?: Record<string, Json>;
    items?: Json;
    required?: string[];
    allOf?: Json[];
    anyOf?: Json[];
    oneOf?: Json[];
  };
  if ($ref !== undefined) {
    const name = /^#\/components\/schemas\/([^/]+)$/.exec($ref)?.[1];
    if (name === undefined) throw new Error(`no type for the reference ${$ref}`);
    return `components["schemas"][${JSON.stringify(name)}]`;
  }
  if ("const" in schema) return JSON.stringify(schema["const"]);
  if (Array.isArray(schema["enum"])) return schema["enum"].map((value) => JSON.stringify(value)).join(" | ");
  if (allOf !== undefined) return `(${allOf.map(typeOf).join(" & ")})`;
  const some = anyOf ?? oneOf;
  if (some !== undefined) return `(${some.map(typeOf).join(" | ")})`;
  if (Array.isArray(type)) return type.map((one) => typeOf({ ...schema, type: one })).join(" | ");
  switch (type) {
    case undefined:
      return "unknown";
    case "string":
    case "boolean":
    case "null":
      return type;
    case "integer":
    case "number":
      return "number";
    case "array":
      return `${items === undefined ? "unknown" : `(${typeOf(items)})`}[]`;
    case "object": {
      if (properties === undefined) return "Record<string, unknown>";
      const members = Object.entries(properties).map(
        ([name, member]) => `${JSON.stringify(name)}${required.includes(name) ? "" : "?"}: ${typeOf(member)}`,
      );
      return `{ ${members.join("; ")} }`;
    }
    default:
      throw new Error(`no type for ${JSON.stringify(schema)}`);
  }
}

function objectAt(object: Json, member: string): Json {
  return (object[member] ?? {}) as Json;
}
