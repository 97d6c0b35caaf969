// Nest's own TCP transport. Output is an Observable, which has no back pressure.
import { Controller, Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { ClientProxyFactory, MessagePattern, Transport } from "@nestjs/microservices";
import net from "node:net";
import { firstValueFrom, lastValueFrom, Observable, tap } from "rxjs";

class Commands {
  greet(args) {
    return args;
  }

  stream({ pieces, pieceBytes }) {
    const piece = "x".repeat(pieceBytes);
    return new Observable((subscriber) => {
      for (let index = 0; index < pieces; index++) subscriber.next(piece);
      subscriber.complete();
    });
  }
}

// oxlint-disable-next-line typescript/no-extraneous-class -- a module of Nest is a class
class Root {}

function freePort() {
  return new Promise((resolve) => {
    const probe = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

export async function server() {
  // Decorators without a compiler.
  for (const name of ["greet", "stream"]) {
    MessagePattern(name)(Commands.prototype, name, Object.getOwnPropertyDescriptor(Commands.prototype, name));
  }
  Controller()(Commands);
  Module({ controllers: [Commands] })(Root);
  const port = await freePort();
  const options = { host: "127.0.0.1", port };
  const app = await NestFactory.createMicroservice(Root, { transport: Transport.TCP, logger: false, options });
  await app.listen();
  return { port };
}

export async function connect({ port }) {
  const client = ClientProxyFactory.create({ transport: Transport.TCP, options: { host: "127.0.0.1", port } });
  await client.connect();
  return {
    call: (args) => firstValueFrom(client.send("greet", args)),
    async output(pieces, pieceBytes) {
      let left = pieces;
      await lastValueFrom(client.send("stream", { pieces, pieceBytes }).pipe(tap(() => left--)));
      if (left !== 0) throw new Error("output was lost");
    },
    close: () => client.close(),
  };
}
