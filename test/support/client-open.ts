/** A client of a server. */
import { connect } from "iscep";
import { later } from "./cleanup.js";
import { tokens } from "./servers.js";

/** Calls over version 1; test/doors/version2 has those of version 2. */
export async function open(url: string, options: Parameters<typeof connect>[1] = {}) {
  const client = await connect(url, { token: tokens.alice, protocol: 1, ...options });
  later(() => client.close());
  return client;
}
