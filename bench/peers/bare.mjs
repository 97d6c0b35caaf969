import { bareOutput, barePipelinedClient, bareServer } from "../bare.mjs";

export { bareServer as server };

export async function connect({ port }) {
  const client = await barePipelinedClient(port);
  return {
    call: (args) => client.call("greet", args),
    output: (pieces, pieceBytes) => bareOutput(port, { pieces, pieceBytes }),
    close: () => client.close(),
  };
}
