// gRPC over HTTP/2 with JSON as its messages, so that no schema needs a compiler. Each connection has a channel of its own.
import grpc from "@grpc/grpc-js";

const json = { serialize: (value) => Buffer.from(JSON.stringify(value)), deserialize: (bytes) => JSON.parse(bytes) };
const method = (name, responseStream) => ({
  path: `/bench.Peer/${name}`,
  requestStream: false,
  responseStream,
  requestSerialize: json.serialize,
  requestDeserialize: json.deserialize,
  responseSerialize: responseStream ? (bytes) => bytes : json.serialize,
  responseDeserialize: responseStream ? (bytes) => bytes : json.deserialize,
});
const service = { greet: method("Greet", false), stream: method("Stream", true) };
const limits = { "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 };

export function server() {
  const listening = new grpc.Server(limits);
  listening.addService(service, {
    greet: (call, answer) => answer(null, call.request),
    async stream(call) {
      const { pieces, pieceBytes } = call.request;
      const piece = Buffer.alloc(pieceBytes, "x");
      for (let index = 0; index < pieces; index++) {
        if (!call.write(piece)) await new Promise((resolve) => call.once("drain", resolve));
      }
      call.end();
    },
  });
  return new Promise((resolve, reject) => {
    listening.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(new Error(error.message)) : resolve({ port }),
    );
  });
}

const Client = grpc.makeGenericClientConstructor(service, "Peer");

export async function connect({ port }) {
  const client = new Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
    ...limits,
    "grpc.use_local_subchannel_pool": 1,
  });
  await new Promise((resolve, reject) =>
    client.waitForReady(Date.now() + 5_000, (error) => (error ? reject(new Error(error.message)) : resolve())),
  );
  return {
    call: (args) =>
      new Promise((resolve, reject) =>
        client.greet(args, (error, answer) => (error ? reject(new Error(error.details)) : resolve(answer))),
      ),
    output: (pieces, pieceBytes) =>
      new Promise((resolve, reject) => {
        let left = pieces;
        const call = client.stream({ pieces, pieceBytes });
        call.on("data", () => left--);
        call.on("error", reject);
        call.on("end", () => (left === 0 ? resolve() : reject(new Error("output was lost"))));
      }),
    close: () => client.close(),
  };
}
