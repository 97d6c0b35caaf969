/** A server tells in time that its certificate ends, and each certificate once. */
import { EventEmitter, once } from "node:events";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { Server, type Limits } from "iscep";
import { createCertificate } from "#iscep/identity/certificates";
import { later } from "../support/cleanup.js";
import { temporaryFolder } from "../support/temporary-folder.js";

interface Told {
  readonly server: Server;
  /** What error.log says of certificates. */
  readonly messages: readonly string[];
  readonly more: EventEmitter;
  replace(certificate: Parameters<typeof createCertificate>[0]): Promise<void>;
}

async function serving(
  certificate: Parameters<typeof createCertificate>[0],
  limits: Partial<Limits> = {},
): Promise<Told> {
  const folder = temporaryFolder();
  const tls = { cert: path.join(folder, "cert.pem"), key: path.join(folder, "key.pem") };
  const replace: Told["replace"] = async (options) => {
    const { certPem, keyPem } = await createCertificate(options);
    writeFileSync(tls.cert, certPem);
    writeFileSync(tls.key, keyPem, { mode: 0o600 });
  };
  await replace(certificate);
  const messages: string[] = [];
  const more = new EventEmitter();
  const server = new Server({
    commands: [],
    port: 0,
    tokens: false,
    tls,
    limits,
    logs: {
      access() {},
      command() {},
      error({ event, message }) {
        if (event !== "certificate") return;
        messages.push(message);
        more.emit("told");
      },
      close: () => Promise.resolve(),
    },
  });
  later(() => server.close({ graceMs: 0 }));
  await server.listen();
  return { server, messages, more, replace };
}

test("a certificate that ends soon is told once, and so is the next one", async () => {
  const { server, messages, replace } = await serving({ days: 10 });
  expect(messages).toEqual([expect.stringMatching(/ends at 20\d\d-\d\d-\d\dT.*renew it/)]);
  await server.reload();
  expect(messages).toHaveLength(1);
  await replace({ days: 3_650 });
  await server.reload();
  expect(messages).toHaveLength(1);
  await replace({ days: 5 });
  await server.reload();
  expect(messages).toHaveLength(2);
});

test("a certificate that comes near its end is told while nobody loads it again", async () => {
  const limits = { tokenWarningDays: 14, tokenWarningIntervalMs: 10 };
  const { messages, more } = await serving({ days: 14, nowMs: Date.now() + 2_000 }, limits);
  // On a machine that stood still for so long, it is told already.
  if (messages.length === 0) await once(more, "told");
  // It looks ten times more.
  await sleep(100);
  expect(messages).toHaveLength(1);
});
