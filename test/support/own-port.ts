/**
 * Ports that can be given up and taken again, by a server that comes back or by a program that is told where to listen. A port
 * that the system chose belongs to anybody as soon as it is free: to another test, to a connection that leaves this machine, to
 * another copy of the tests beside this one. These are below those that systems choose (Linux: from 32768 on), and each process
 * of tests has a block of them, which it holds by a socket of UDP with the first number. The system ends this with the process.
 */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";

const firstBlock = 20_000;
const blocks = 200;
const portsOfBlock = 50;

async function takeBlock(): Promise<{ readonly first: number; readonly holder: Socket }> {
  for (let attempt = 0; attempt < 10 * blocks; attempt++) {
    const first = firstBlock + portsOfBlock * Math.floor(Math.random() * blocks);
    const holder = createSocket("udp4");
    holder.bind({ port: first, address: "127.0.0.1", exclusive: true });
    try {
      await once(holder, "listening");
      return { first, holder: holder.unref() };
    } catch {
      holder.close();
    }
  }
  throw new Error("other processes hold all ports that tests may have");
}

// It is taken here, before any test counts open files.
const { first } = await takeBlock();

/** A number from 0 to 199 that no other process of tests has. */
export const ownNumber = (first - firstBlock) / portsOfBlock;
let given = 0;

async function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  try {
    probe.listen(port, "127.0.0.1");
    await once(probe, "listening");
    return true;
  } catch {
    return false;
  } finally {
    const closed = once(probe, "close");
    probe.close();
    await closed;
  }
}

/** No other test gets it, unless this process asks for very many. */
export async function ownPort(): Promise<number> {
  for (let attempt = 0; attempt < portsOfBlock; attempt++) {
    const port = first + (given++ % portsOfBlock);
    if (await isFree(port)) return port;
  }
  throw new Error("programs that do not belong to these tests listen on all of their ports");
}
