/** Why a request did not do what it should: the server's own words (RFC 9457), or that it could not be reached. */
import { objectOf, optionalNumber, optionalText, textOf, type JsonObject } from "./reading.js";

export interface ProblemFacts {
  /** 0 when there was no answer. */
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  /** What the person can do about it. */
  readonly action?: string | undefined;
  readonly run?: string | undefined;
  /** The run began, and this is how it ended. */
  readonly isOutcome?: boolean;
  readonly details?: JsonObject | undefined;
  /** So many bytes that were typed has the server. */
  readonly offset?: number | undefined;
  /** The server wants no other attempt before. */
  readonly retryAfterMs?: number | undefined;
}

export class Problem extends Error {
  override readonly name = "Problem";
  readonly facts: ProblemFacts;

  constructor(facts: ProblemFacts, cause?: unknown) {
    super(facts.detail, cause === undefined ? {} : { cause });
    this.facts = facts;
  }

  get isUnreachable(): boolean {
    const { status } = this.facts;
    return status === 0 || status === 502 || status === 504;
  }
}

/** The fetch itself failed: no connection, or one that broke. */
export function unreachable(cause: unknown): Problem {
  return new Problem(
    {
      status: 0,
      code: "connect_failed",
      title: "The server does not answer",
      detail: "No connection to the server could be made, or it broke.",
      action: "Check that the server is running. This page tries again by itself.",
    },
    cause,
  );
}

export async function problemOf(response: Response): Promise<Problem> {
  const body = objectOf(await response.json().catch(() => undefined));
  const title = textOf(body["title"], `The server answered with ${response.status}.`);
  const detail = textOf(body["detail"], title);
  const action = optionalText(body["action"]);
  return new Problem({
    status: response.status,
    code: textOf(body["code"], "internal"),
    title,
    // A message in general words tells a user of the command line what to do, which is no help in this page.
    detail: detail.startsWith(`${title.replace(/\.$/, "")}; `) ? title : detail,
    action: action?.startsWith("GET ") === true ? undefined : action,
    run: optionalText(body["run"]),
    isOutcome: typeof body["outcome"] === "object",
    details: objectOf(body["details"]),
    offset: optionalNumber(body["offset"]),
    retryAfterMs: retryAfterOf(response),
  });
}

function retryAfterOf(response: Response): number | undefined {
  const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
  return seconds >= 0 ? seconds * 1000 : undefined;
}

/** Whatever was thrown, as a problem that can be shown. */
export function toProblem(thrown: unknown): Problem {
  if (thrown instanceof Problem) return thrown;
  const detail = thrown instanceof Error ? thrown.message : String(thrown);
  return new Problem(
    { status: 0, code: "internal", title: "Something went wrong in this page", detail, action: "Load the page again." },
    thrown,
  );
}
