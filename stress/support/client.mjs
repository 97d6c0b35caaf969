// @ts-check
/**
 * A client that will be killed. It opens `COUNT` connections with one run each, and prints the ids of the runs when all
 * of them have begun.
 */
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
// It waits here until it is killed.
setInterval(() => {}, 1_000);
