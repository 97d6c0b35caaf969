import path from "node:path";

export type ListenPlace = { readonly host: string; readonly port: number } | { readonly unix: string };

const defaultHost = "127.0.0.1";
const highestPort = 65_535;

export const listenForms = '"HOST:PORT", "PORT", "[::1]:8989" or "unix:PATH"';

/** Undefined when it is none of the forms. A relative path of a unix socket is relative to `folder`. */
export function parseListen(text: string, folder: string): ListenPlace | undefined {
  if (text.startsWith("unix:")) {
    const socket = text.slice("unix:".length);
    return socket === "" ? undefined : { unix: path.resolve(folder, socket) };
  }
  const [, bracketed, plain, digits = ""] =
    /^(?:(?:\[([0-9A-Fa-f:.%\w]+)\]|([^\s:[\]/@]+)):)?([0-9]{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  return digits === "" || port > highestPort ? undefined : { host: bracketed ?? plain ?? defaultHost, port };
}
