// @ts-check
/** A client that is killed: `COUNT` connections with one run each; it tells the runs' ids when all of them have begun. */
import { connect } from "iscep";

const [url = "", count = "1"] = process.argv.slice(2);
const runs = await Promise.all(
  Array.from({ length: Number(count) }, async () => {
    const client = await connect(url, { protocol: 2 });
    const run = client.run("stay", {});
    for await (const _chunk of run.output) break;
    return run.id;
  }),
);
process.send?.({ runs });
// Until it is killed.
setInterval(() => {}, 1_000);
