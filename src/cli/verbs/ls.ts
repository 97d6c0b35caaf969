import { addClientOptions, openClient, type ClientOptions } from "../calling/client-options.js";
import { alignColumns, argumentSummary } from "../arguments/table.js";
import { interruptible } from "../terminal/interrupt.js";
import { isIscepError } from "../../errors.js";
import type { DefineVerb } from "../terminal/invocation.js";
import { mayNotList, withHint } from "../terminal/report.js";
import { note, print, styled } from "../terminal/streams.js";
import { visibleLine } from "../../text/visible-text.js";
import { surroundings } from "../terminal/surroundings.js";

export const define: DefineVerb = (command, invocation) => {
  addClientOptions(command).action(async (options: ClientOptions) => {
    await interruptible(invocation, async (signal) => {
      await using client = await openClient(options, signal);
      const descriptions = await client.list({ signal }).catch((error: unknown) => {
        throw isIscepError(error) && error.code === "unauthorized" ? withHint(error, mayNotList) : error;
      });
      if (options.json === true) {
        await print(`${JSON.stringify(descriptions)}\n`);
        return;
      }
      if (descriptions.length === 0) {
        await note("the server offers no command that this caller may run");
        return;
      }
      const rows = descriptions.map((description) => [
        visibleLine(description.name),
        argumentSummary(description),
        visibleLine(description.description),
      ]);
      const [header = "", ...lines] = alignColumns([["COMMAND", "ARGUMENTS", "DESCRIPTION"], ...rows]);
      await print(`${[styled(surroundings().stdout, "bold", header), ...lines].join("\n")}\n`);
    });
  });
};
