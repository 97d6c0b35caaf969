import { bareOutput, barePipelinedClient, bareServer } from "../bare.mjs";

export async function server({ certificate } = {}) {
  const { port } = await bareServer(certificate);
  return { port, cert: certificate?.cert };
}

export async function connect({ port, cert }) {
  const client = await barePipelinedClient(port, cert);
  return {
    call: (args) => client.call("greet", args),
    output: (pieces, pieceBytes) => bareOutput(port, { pieces, pieceBytes }, cert),
    close: () => client.close(),
  };
}
