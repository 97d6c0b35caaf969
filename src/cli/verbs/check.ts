import { checkFlags, addSettingOptions, withFlags, type SettingFlags } from "../serving/options.js";
import { filesOf } from "../serving/sources.js";
import type { Finding } from "../serving/check-findings.js";
import type { DefineVerb } from "../terminal/invocation.js";
import { print, styled } from "../terminal/streams.js";
import { visibleText } from "../../text/visible-text.js";
import { surroundings } from "../terminal/surroundings.js";

interface CheckFlags extends SettingFlags {
  readonly json?: boolean;
}

const explanation = `
Says what \`iscep serve\` with the same files and options would find, but starts nothing and makes no file. It checks
that the files can be read, modules load, programs exist, key, certificate and tokens are good and closed to others,
and folders can be written. It does not check whether a port is free, because the server may be running.

The exit code is 0 when all is well, and 64 when something is wrong. A warning is not a fault.`;

export const define: DefineVerb = (command, invocation) => {
  command.argument("[files...]", "iscep.yaml, or modules that export commands");
  addSettingOptions(command)
    .option("--json", 'print {"ok":…,"findings":[{"level":…,"about":…,"message":…}]}, and nothing else')
    .addHelpText("after", explanation)
    .action(async (files: readonly string[], flags: CheckFlags) => {
      checkFlags(flags);
      const { check } = await import("../serving/check-findings.js");
      const findings = await check(filesOf(files), (settings) => withFlags(settings, flags));
      const ok = findings.every(({ level }) => level !== "wrong");
      await print(flags.json === true ? `${JSON.stringify({ ok, findings })}\n` : findings.map(lineOf).join(""));
      if (!ok) invocation.exitCode = 64;
    });
};

const colours = { ok: "green", warning: "yellow", wrong: "red" } as const;

function lineOf({ level, about, message }: Finding): string {
  const label = styled(surroundings().stdout, colours[level], level.padEnd("warning".length));
  return `${label}  ${about}: ${visibleText(message).replaceAll("\n", "\n         ")}\n`;
}
