// A client of version 1 in a process of its own, so that it can be killed: `caller.mjs URL COMMAND ARGS_JSON`, token in ISCEP_TOKEN.
import { connect } from "iscep";

const [url, command, args] = process.argv.slice(2);
if (url === undefined || command === undefined || args === undefined)
  throw new Error("caller.mjs URL COMMAND ARGS_JSON");
const { ISCEP_TOKEN: token } = process.env;
const client = await connect(url, { protocol: 1, ...(token === undefined ? {} : { token }) });
await client.call(command, JSON.parse(args));
await client.close();
