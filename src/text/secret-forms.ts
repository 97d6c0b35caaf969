/** Knows the ways in which programs write a text into another one, so that a secret is found in each of them. */

/**
 * Masks what is found in the text in any form. Neighbouring parts become one `***`, which reveals neither length nor
 * number.
 */
export function maskForms(text: string, forms: Iterable<string>): string {
  const found: Span[] = [];
  for (const form of forms) {
    for (let at = text.indexOf(form); at !== -1; at = text.indexOf(form, at + 1))
      found.push({ start: at, end: at + form.length });
  }
  if (found.length === 0) return text;
  let masked = "";
  let at = 0;
  for (const { start, end } of merged(found)) {
    masked += `${text.slice(at, start)}***`;
    at = end;
  }
  return masked + text.slice(at);
}

export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Puts the parts in order. Parts that overlap or touch become one. */
export function merged(spans: Span[]): Span[] {
  const apart: Span[] = [];
  for (const span of spans.sort((a, b) => a.start - b.start)) {
    const last = apart.at(-1);
    if (last === undefined || last.end < span.start) apart.push(span);
    else apart[apart.length - 1] = { start: last.start, end: Math.max(last.end, span.end) };
  }
  return apart;
}

/** Shorter lines of a longer secret are common words. To mask them would only make output unreadable. */
const minLineCharacters = 8;
/** For a longer secret, such as a whole file, only the first forms are searched, because each costs memory and time. */
const maxQuotedCharacters = 16 * 1024;

/**
 * The forms of a text: as it is; as JSON, URLs, shells and programming languages quote it; in base64; and the lines of
 * a key, one by one.
 */
export function formsOf(secret: string): string[] {
  const lines = secret.split(/[\r\n]+/);
  const longLines = lines.length === 1 ? [] : lines.filter((line) => line.length >= minLineCharacters);
  const quoted =
    secret.length > maxQuotedCharacters
      ? []
      : [
          ...urlForms(secret),
          ...shellForms(secret),
          ...literalForms(secret),
          ...markupForms(secret),
          ...base64Forms(secret),
        ];
  return [...new Set([secret, ...jsonForms(secret), ...quoted, ...longLines])].filter((form) => form !== "");
}

/** The forms of common writers of JSON: all of Unicode or only ASCII, with "/" or "\/", and safe within HTML or not. */
function jsonForms(secret: string): string[] {
  const plain = JSON.stringify(secret).slice(1, -1);
  const escaped = [
    plain,
    plain.replaceAll(/[^ -~]/g, escape),
    // Python escapes DEL too, and the others do not.
    plain.replaceAll(/[^ -\x7f]/g, escape),
    plain.replaceAll(/[^ -~]/g, escapeInCapitals),
    plain.replaceAll(/[<>&\u2028\u2029]/g, escape),
  ];
  return escaped.flatMap((form) => [form, form.replaceAll("/", "\\/")]);
}

/** The forms of RFC 3986 and of HTML. Browsers, Python and shells differ in which characters they leave unchanged. */
function urlForms(secret: string): string[] {
  // A lone surrogate cannot be encoded.
  const text = Buffer.from(secret).toString();
  const component = encodeURIComponent(text);
  const strict = component.replaceAll(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
  const capitals = [
    component,
    strict,
    component.replaceAll("%20", "+"),
    strict.replaceAll("%20", "+"),
    strict.replaceAll("%20", "+").replaceAll("%2A", "*").replaceAll("~", "%7E"),
    strict.replaceAll("%2F", "/"),
    encodeURI(text),
  ];
  return capitals.flatMap((form) => [form, form.replaceAll(/%[0-9A-F]{2}/g, (octet) => octet.toLowerCase())]);
}

/**
 * The text within single quotes, in two common ways, and with a backslash before each character that means something to
 * a shell.
 */
function shellForms(secret: string): string[] {
  return [
    secret.replaceAll("'", "'\\''"),
    secret.replaceAll("'", `'"'"'`),
    secret.replaceAll(/[^\w@%+=:,./\-\n]/g, String.raw`\$&`),
    secret.replaceAll(/["$`\\!]/g, String.raw`\$&`),
    secret.replaceAll(/["$`\\]/g, String.raw`\$&`),
  ];
}

/** The forms in which Node, Python and the `$''` of a shell show a text, in any quotes. */
function literalForms(secret: string): string[] {
  const bare = secret.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\r", "\\r").replaceAll("\t", "\\t");
  const hex = (sign: string): string => `\\x${sign.charCodeAt(0).toString(16).padStart(2, "0")}`;
  const inCapitals = (sign: string): string => hex(sign).toUpperCase().replace("X", "x");
  const forms = [
    bare,
    bare.replaceAll(/\p{Cc}/gu, hex),
    bare
      .replaceAll("\b", "\\b")
      .replaceAll("\f", "\\f")
      .replaceAll(/\p{Cc}/gu, inCapitals),
    bare.replaceAll(/\p{Cc}/gu, inCapitals),
  ];
  return forms.flatMap((form) => [form, form.replaceAll("'", "\\'"), form.replaceAll("`", "\\`")]);
}

function markupForms(secret: string): string[] {
  const tags = secret.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return [
    tags,
    ...["&#39;", "&#x27;", "&apos;"].flatMap((apostrophe) => {
      const single = tags.replaceAll("'", apostrophe);
      return [single, single.replaceAll('"', "&quot;"), single.replaceAll('"', "&#34;")];
    }),
    tags.replaceAll('"', "&quot;"),
  ];
}

/** Shorter texts are common words. */
const minBase64Characters = 8;

/**
 * The forms of RFC 4648, sections 4 and 5, without padding: by itself, or with something before or behind it, as in
 * `user:password`.
 */
function base64Forms(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const whole = bytes.toString("base64").replaceAll("=", "");
  const found = [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes])
      .toString("base64")
      .replaceAll("=", "");
    // Characters that also have bits of a neighbour do not belong only to the secret.
    const isWhole = (before + bytes.length) % 3 === 0;
    return text.slice(before === 0 ? 0 : before + 1, isWhole ? undefined : -1);
  });
  return [whole, ...found]
    .flatMap((form) => [form, form.replaceAll("+", "-").replaceAll("/", "_")])
    .filter((form) => form.length >= minBase64Characters);
}

/** The escape of one UTF-16 unit. */
function escape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function escapeInCapitals(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
}
