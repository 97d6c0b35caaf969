/** Answers in JSON. */

/** An answer that is whole. */
export interface WrittenAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export const jsonHeaders: Readonly<Record<string, string>> = {
  "content-type": "application/json",
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
};

export function jsonResponse(value: unknown, status = 200, headers?: Readonly<Record<string, string>>): Response {
  const init = { status, headers: headers === undefined ? jsonHeaders : { ...jsonHeaders, ...headers } };
  return new Response(JSON.stringify(value), init);
}
