import { visibleLine } from "../../text/visible-text.js";
import { formatAddress } from "../../transport/address.js";
import { alignColumns } from "../arguments/table.js";
import { callerAddress } from "../calling/service-place.js";
import { forgetServer, readKnownServers, type KnownServer } from "../calling/known-servers.js";
import { summarise, type DefineVerb } from "../terminal/invocation.js";
import { note, print, styled } from "../terminal/streams.js";
import { surroundings } from "../terminal/surroundings.js";

interface ListedServer {
  readonly name: string;
  /** The address without the token. */
  readonly address: string;
  readonly hasToken: boolean;
  readonly ca?: string;
}

export const define: DefineVerb = (command) => {
  command.option("--json", "print one JSON value").action(async (options: { readonly json?: boolean }) => {
    const servers = [...readKnownServers()].map(([name, server]) => listed(name, server));
    if (options.json === true) {
      await print(`${JSON.stringify(servers)}\n`);
      return;
    }
    if (servers.length === 0) {
      await note("no server has a name yet; `iscep login NAME ADDRESS` gives one");
      return;
    }
    const rows = servers.map(({ name, address, hasToken }) => [name, hasToken ? "yes" : "no", visibleLine(address)]);
    const [header = "", ...lines] = alignColumns([["NAME", "TOKEN", "ADDRESS"], ...rows]);
    await print(`${[styled(surroundings().stdout, "bold", header), ...lines].join("\n")}\n`);
  });
  summarise(command.command("remove"), "forget a server and the token for it")
    .argument("<name>", "the name that it was given")
    .action(async (name: string) => {
      await forgetServer(name);
      await note(`${visibleLine(name)} is forgotten; its token is valid until it is removed on the server`);
    });
};

function listed(name: string, { address: text, token: kept, ...rest }: KnownServer): ListedServer {
  const address = callerAddress(text);
  if (address.kind === "nats") return { name, address: address.shown, hasToken: kept !== undefined, ...rest };
  const { owner: _owner, token, ...place } = address;
  return { name, address: formatAddress(place), hasToken: token !== undefined, ...rest };
}
