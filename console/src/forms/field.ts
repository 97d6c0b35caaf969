/** What a form shows for each argument, read from the JSON Schema of a command. A schema comes from outside, so nothing in it is taken on trust. */

export type JsonSchema = { readonly [keyword: string]: unknown };

export type FieldKind = "text" | "secret" | "path" | "number" | "integer" | "boolean" | "choice" | "list" | "json";

export interface Field {
  readonly name: string;
  readonly kind: FieldKind;
  readonly description: string;
  /** The call cannot leave it out. */
  readonly isRequired: boolean;
  /** undefined when there is none. */
  readonly fallback: unknown;
  /** The values of a choice; or those that a text suggests. */
  readonly choices: readonly string[];
  readonly isLong: boolean;
  readonly schema: JsonSchema;
  /** What each element of a list is. */
  readonly item: Field | undefined;
}

/** The fields of a command's arguments, in the order of their declaration: the required ones are not moved. */
export function fieldsOf(args: JsonSchema): readonly Field[] {
  const properties = isRecord(args["properties"]) ? args["properties"] : {};
  const required = Array.isArray(args["required"]) ? args["required"] : [];
  return Object.entries(properties).map(([name, schema]) =>
    fieldOf(name, isRecord(schema) ? schema : {}, required.includes(name)),
  );
}

function fieldOf(name: string, schema: JsonSchema, isRequired: boolean): Field {
  const kind = kindOf(schema);
  const { description, default: fallback } = schema;
  return {
    name,
    kind,
    description: typeof description === "string" ? description : "",
    isRequired: isRequired && fallback === undefined,
    fallback,
    choices: choicesOf(schema),
    isLong: isLong(schema),
    schema,
    item: kind === "list" && isRecord(schema["items"]) ? fieldOf("", schema["items"], true) : undefined,
  };
}

function kindOf(schema: JsonSchema): FieldKind {
  const { type } = schema;
  if (Array.isArray(schema["enum"]))
    return schema["enum"].every((value) => typeof value === "string") ? "choice" : "json";
  if (["anyOf", "oneOf", "allOf", "$ref", "not", "if", "const"].some((keyword) => keyword in schema)) return "json";
  if (type === "string") {
    if (schema["writeOnly"] === true) return "secret";
    return schema["x-iscep-path"] === undefined ? "text" : "path";
  }
  if (type === "number" || type === "integer" || type === "boolean") return type;
  if (type === "array" && isRecord(schema["items"])) {
    const item = kindOf(schema["items"]);
    // A list of lists has no form of its own.
    return item === "list" || item === "json" ? "json" : "list";
  }
  return "json";
}

function choicesOf(schema: JsonSchema): readonly string[] {
  const { enum: values, examples } = schema;
  const listed = Array.isArray(values) ? values : Array.isArray(examples) ? examples : [];
  return listed.filter((value): value is string => typeof value === "string");
}

/** A text with line ends, or one that may be long, gets room for several lines. */
function isLong(schema: JsonSchema): boolean {
  const { maxLength } = schema;
  return schema["x-iscep-multiline"] === true || (typeof maxLength === "number" && maxLength > 500);
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
