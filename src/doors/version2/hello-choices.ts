import { chooseBinding, chooseHash, type BindingName } from "../../session/version2-choices.js";
import type { ClientHello } from "../../session/version2-hello.js";
import type { ByteStream } from "../../transport/byte-stream.js";
import { carrierOf, hasEndPointBinding } from "../../transport/channel-binding.js";
import { unixSource } from "../../transport/listener.js";
import type { PacketHashName } from "../../wire/packet-hash.js";

export interface HelloChoices {
  readonly hash: PacketHashName | undefined;
  readonly binding: BindingName | undefined;
}

export interface ChoosingSession {
  readonly source: string;
  /** The client must prove that it knows a token. */
  readonly needsToken: boolean;
  /** Clients may bind their proof to the server's certificate. */
  readonly endPointBinding: boolean;
}

/** Which of the hashes and bindings that a HELLO offers this session uses (PROTOCOL.md, "HELLO"). */
export function helloChoices(
  { hashes = [], bindings }: ClientHello,
  socket: ByteStream,
  { source, needsToken, endPointBinding }: ChoosingSession,
): HelloChoices {
  const carrier = carrierOf(socket, source === unixSource);
  const mayUseEndPoint = bindings !== undefined && endPointBinding && hasEndPointBinding(socket);
  return {
    hash: chooseHash(hashes, carrier, needsToken),
    binding: carrier === "tls" ? chooseBinding(bindings, mayUseEndPoint) : undefined,
  };
}
