/** The type of the values that fit a JSON Schema literal, as far as the compiler can tell. */

type Known = { readonly [keyword: string]: unknown };

export type ValueOfSchema<Schema> = Schema extends { readonly const: infer Value }
  ? Value
  : Schema extends { readonly enum: readonly (infer Value)[] }
    ? Value
    : Schema extends { readonly type: "string" }
      ? string
      : Schema extends { readonly type: "integer" | "number" }
        ? number
        : Schema extends { readonly type: "boolean" }
          ? boolean
          : Schema extends { readonly type: "null" }
            ? null
            : Schema extends { readonly type: "array"; readonly items: infer Items }
              ? ValueOfSchema<Items>[]
              : Schema extends { readonly type: "object"; readonly properties: infer Properties extends Known }
                ? ObjectOf<Properties, Schema extends { readonly required: readonly (infer Name)[] } ? Name : never>
                : unknown;

type ObjectOf<Properties extends Known, Required> = Merged<
  { -readonly [Name in keyof Properties as Name extends Required ? Name : never]: ValueOfSchema<Properties[Name]> } & {
    -readonly [Name in keyof Properties as Name extends Required ? never : Name]?: ValueOfSchema<Properties[Name]>;
  }
>;

type Merged<Parts> = { [Name in keyof Parts]: Parts[Name] };
