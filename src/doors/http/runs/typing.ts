/** `/runs/ID/stdin` and `/runs/ID/terminal`: types into a run that was started with open standard input. */
import type { TerminalSize } from "../../../client/protocol/run-handle.js";
import { IscepError } from "../../../errors.js";
import { compileScopes } from "../../../identity/scopes.js";
import type { CallerRecord } from "../../../model/caller-record.js";
import { anonymous } from "../../../model/identity.js";
import { mayType } from "../../../model/run-record.js";
import { jsonResponse } from "../answer/json-response.js";
import { refuseUnknownQuery } from "../request/known-query.js";
import type { HttpContext, HttpHost, HttpMount } from "../request/mount.js";
import type { OpenInput } from "../input/open-inputs.js";
import { httpFault, problem } from "../answer/problem.js";
import { mediaType, wholeBody } from "../request/body.js";
import { jsonObjectOf } from "../request/json.js";
import { wholeNumber } from "./query.js";
import { inputIsOver, type TypedPiece } from "../input/typed-input.js";

export const mountTyping: HttpMount = (app, host) => {
  app.post("/runs/:id/stdin", (context) => typed(context, host, context.req.param("id")));
  app.put("/runs/:id/terminal", async (context) => {
    refuseUnknownQuery(context, []);
    const { handle } = await openInputOf(context, host, context.req.param("id"));
    const { columns, rows } = await jsonObjectOf(context, host.limits);
    handle.resize(sizeOf({ columns, rows }));
    return new Response(null, { status: 204 });
  });
};

async function typed(context: HttpContext, host: HttpHost, run: string): Promise<Response> {
  const { input } = await openInputOf(context, host, run);
  const leave = host.inputs.follow(run);
  try {
    const piece = await pieceOf(context, host);
    return await input.type(piece).then(
      () => jsonResponse({ offset: input.offsetOf(piece.writer) }),
      (error: unknown) => problem(error, { run, offset: input.offsetOf(piece.writer) }),
    );
  } finally {
    leave();
  }
}

/**
 * @throws IscepError `run_not_found` for a caller who may not type, a fault of HTTP (409) when the standard input of
 *   the run is not open
 */
async function openInputOf(context: HttpContext, host: HttpHost, run: string): Promise<OpenInput> {
  const client = host.clientOf(context);
  const [caller, { runs }] = await Promise.all([client.whoAmI(), client.runs({ run })]);
  const [record] = runs;
  const open = host.inputs.of(run);
  const tokenId = open?.caller.tokenId ?? null;
  if (record === undefined || !mayType(identityOf(caller), { ...record, tokenId }))
    throw new IscepError("run_not_found");
  if (open === undefined) throw inputIsOver();
  return open;
}

function identityOf({ owner, tokenId, scopes }: CallerRecord): Parameters<typeof mayType>[0] {
  return {
    ...anonymous,
    ...(scopes === undefined ? {} : compileScopes(scopes.map(({ scope }) => scope))),
    owner,
    tokenId,
  };
}

const writerForm = /^[\w-]{1,64}$/;

async function pieceOf(context: HttpContext, { limits }: HttpHost): Promise<TypedPiece> {
  const { req } = context;
  refuseUnknownQuery(context, ["writer", "offset", "end"]);
  const writer = req.query("writer");
  if (writer !== undefined && !writerForm.test(writer))
    throw new IscepError("usage", "a writer has 1 to 64 letters, digits, `-` and `_`");
  const offset = req.query("offset");
  const end = req.query("end");
  const bytes = await wholeBody(req.raw, limits, req.header("content-length"), "maxTypedBytes");
  if (bytes.length > 0 && mediaType(req.header("content-type")) !== "application/octet-stream")
    throw httpFault(415, "usage", "the body must be bytes; send it with `Content-Type: application/octet-stream`");
  return {
    bytes,
    writer,
    ...(offset === undefined ? {} : { offset: wholeNumber(offset, "offset") }),
    isLast: end !== undefined && end !== "false",
  };
}

/** The system keeps rows and columns in 16 bits each. */
const maxSize = 2 ** 16 - 1;

/** @throws IscepError `usage` */
export function sizeOf({ columns, rows }: Readonly<Record<keyof TerminalSize, unknown>>): TerminalSize {
  if (isSize(columns) && isSize(rows)) return { columns, rows };
  throw new IscepError("usage", `columns and rows of a terminal are whole numbers from 1 to ${maxSize}`);
}

function isSize(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= maxSize;
}
