/** What can be wrong with a request that is no call, or not yet: by status, with what to do behind the semicolon. */
export const httpFaults = {
  400: "The head or the body of the request cannot be read; the message says why.",
  403: "A page of another origin may not do this; add it to `origins` of `http` if it should.",
  404: "There is nothing at this path; GET /openapi.json tells what there is.",
  405: "The path does not have this method; the field Allow names those that it has.",
  408: "The request was not whole in time; send it faster, or less of it.",
  409: "The standard input of the run does not take this now; GET /runs/ID tells whether it is open.",
  415: "The body has a type that is not read here; send JSON with `Content-Type: application/json`.",
  416: "The range begins behind the end of the output; the field Content-Range tells where that is.",
  417: "The request expects what no command gives; leave out the field Expect.",
  421: "The server does not answer to this Host; add the name to `hosts` of `http` if it should.",
  431: "The head of the request is too large; send fewer or shorter fields.",
  503: "The standard input of the run is full, as its command reads too slowly; send the same again later.",
} as const satisfies Readonly<Record<number, string>>;

export type HttpFaultStatus = keyof typeof httpFaults;

export function isHttpFaultStatus(status: number): status is HttpFaultStatus {
  return Object.hasOwn(httpFaults, status);
}
