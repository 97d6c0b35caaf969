import type { InstanceRecord } from "../../client/protocol/instances.js";
import { alignColumns } from "../arguments/table.js";
import { addClientOptions, openClient, type ClientOptions } from "../calling/client-options.js";
import { durationText } from "../calling/run-table.js";
import { interruptible } from "../terminal/interrupt.js";
import type { DefineVerb } from "../terminal/invocation.js";
import { note, print, styled } from "../terminal/streams.js";
import { surroundings } from "../terminal/surroundings.js";
import { visibleLine } from "../../text/visible-text.js";

const explanation = `
It needs the address of a service on a broker: nats://HOST:4222/NAME. A server becomes an instance by
\`iscep serve --nats nats://HOST:4222 --name NAME\`. An instance that is draining takes no new calls, and closes.
When the broker is gone, nobody knows, and the exit code is 69.`;

export const define: DefineVerb = (command, invocation) => {
  addClientOptions(command)
    .addHelpText("after", explanation)
    .action(async (options: ClientOptions) => {
      await interruptible(invocation, async (signal) => {
        await using client = await openClient(options, signal);
        const instances = await client.instances();
        if (options.json === true) await print(`${JSON.stringify(instances)}\n`);
        else if (instances.length === 0) await note("no instance of this service is there");
        else await printTable(instances, Date.now());
      });
    });
};

async function printTable(instances: readonly InstanceRecord[], nowMs: number): Promise<void> {
  const rows = instances.map(({ instance, state, running, waiting, places, commands, version, startedAtMs }) => [
    visibleLine(instance),
    state,
    `${running} of ${places}`,
    String(waiting),
    String(commands),
    visibleLine(version),
    durationText(nowMs - startedAtMs),
  ]);
  const headings = ["INSTANCE", "STATE", "RUNNING", "WAITING", "COMMANDS", "VERSION", "UP"];
  const [header = "", ...lines] = alignColumns([headings, ...rows]);
  await print(`${[styled(surroundings().stdout, "bold", header), ...lines].join("\n")}\n`);
}
