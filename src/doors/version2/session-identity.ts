/** Identifies the caller of a version 2 session. It is proven once by keys, and checked again for each request. */
import { randomBytes } from "node:crypto";
import { IscepError } from "../../errors.js";
import { anonymous, type Authenticator, type Identity } from "../../model/identity.js";
import { authenticationMessage, isClientProof, packetKeys, serverProof, type PacketKeys } from "../../session/proof.js";
import { isKeyed, needsKey, type BindingName } from "../../session/version2-choices.js";
import type { ByteStream } from "../../transport/byte-stream.js";
import { carrierOf, channelBinding } from "../../transport/channel-binding.js";
import type { PacketHashName } from "../../wire/packet-hash.js";
import { hashBytes, headerBytes } from "../../wire/packet.js";

interface Proven {
  readonly answer: { readonly owner: string; readonly proof?: string };
  /** They protect the packets that follow. */
  readonly keys?: PacketKeys;
}

export class SessionIdentity {
  readonly #authenticator: Authenticator | undefined;
  readonly #source: string;
  #message: Buffer | undefined;
  /** Whether the packets of this session get keys by the proof: they do, they need none, or they lack them. */
  #keys: "made" | "none" | "missing" = "none";
  #hash: PacketHashName | undefined;
  #identity: Identity | undefined;
  #generation = 0;

  constructor(authenticator: Authenticator | undefined, source: string) {
    this.#authenticator = authenticator;
    this.#source = source;
    if (authenticator === undefined) this.#identity = anonymous;
    else if (!authenticator.needsToken) {
      this.#generation = authenticator.currentGeneration();
      this.#identity = authenticator.verify("", source);
    }
  }

  /** What HELLO says: whether `authenticate` must come first. A certificate alone needs no further word. */
  get authentication(): "token" | "none" {
    return this.#authenticator?.needsToken === true ? "token" : "none";
  }

  /**
   * Why a message must not authenticate; undefined when it may.
   * @param isAlone nothing stands behind it in its packet
   */
  fault(isAlone: boolean): IscepError | undefined {
    if (this.#keys === "none" || (this.#keys === "made" && isAlone)) return undefined;
    return new IscepError(
      "protocol",
      this.#keys === "made"
        ? `with ${this.#hash}, authenticate stands alone in its packet`
        : "a proof counts here only with packets that have a key; offer hmac-gmac or hmac-sha256",
    );
  }

  get isKnown(): boolean {
    return this.#identity !== undefined;
  }

  /** The log names this owner. */
  get owner(): string | undefined {
    return this.#identity?.owner;
  }

  /** Both proofs will cover these bytes. */
  greeted(
    clientHello: Buffer,
    serverHelloPacket: Buffer,
    socket: ByteStream,
    choices: {
      readonly binding: BindingName | undefined;
      readonly hash: PacketHashName | undefined;
    },
  ): void {
    // A client proves nothing to a server that asks for no token.
    if (this.authentication === "none") return;
    const serverHello = serverHelloPacket.subarray(headerBytes, serverHelloPacket.length - hashBytes);
    this.#message = authenticationMessage(clientHello, serverHello, channelBinding(socket, choices.binding));
    this.#hash = choices.hash;
    this.#keys = isKeyed(choices) ? "made" : needsKey(carrierOf(socket, false)) ? "missing" : "none";
  }

  /** The answer to a valid proof; undefined for any other. */
  prove(reference: string, proof: string): Proven | undefined {
    const authenticator = this.#authenticator;
    if (authenticator === undefined) return { answer: { owner: anonymous.owner } };
    if (!authenticator.needsToken) return undefined;
    if (this.#message === undefined) return undefined;
    const token = authenticator.find(reference, this.#source);
    // A token that does not exist costs the same work, so the time does not reveal which tokens exist.
    const storedKey = token?.storedKey ?? randomBytes(32);
    const proven = isClientProof(storedKey, Buffer.from(proof, "base64url"), this.#message);
    if (token === undefined || !proven) return undefined;
    this.#identity = token.identity;
    this.#generation = authenticator.currentGeneration();
    const answer = {
      owner: token.identity.owner,
      proof: serverProof(token.serverKey, this.#message).toString("base64url"),
    };
    const keys = this.#keys === "made" ? packetKeys(token.storedKey, this.#message, this.#hash) : undefined;
    // Nothing is proven twice, and the bytes are part of a larger piece of memory.
    this.#message = undefined;
    return keys === undefined ? { answer } : { answer, keys };
  }

  /**
   * The present identity. `revoked` when its token was removed or has expired, and undefined when nothing was proven
   * yet.
   */
  current(): Identity | "revoked" | undefined {
    const authenticator = this.#authenticator;
    const identity = this.#identity;
    if (authenticator === undefined || identity === undefined) return identity;
    const generation = authenticator.currentGeneration();
    if (generation === this.#generation && Date.now() < identity.expiresAtMs) return identity;
    const current = authenticator.refresh(identity, this.#source);
    if (current === undefined) return "revoked";
    this.#identity = current;
    this.#generation = generation;
    return current;
  }
}
