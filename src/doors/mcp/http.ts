/** MCP over HTTP, without sessions: each request says all that its answer needs. */
import { createMcpHandler, type AuthInfo, type McpHttpHandler } from "@modelcontextprotocol/server";
import type { Client } from "../../client/client.js";
import { IscepError } from "../../errors.js";
import { isJsonObject } from "../../wire/json.js";
import type { DoorServer } from "../door.js";
import type { ToolCaller } from "./calls.js";
import { GivenUpCalls } from "./given-up.js";
import { whileGood } from "./listening.js";
import { mcpServer } from "./server.js";

/** Who sends a request. The door for HTTP has checked the token. */
export interface HttpCaller {
  readonly client: Client;
  readonly token: string | undefined;
}

export class McpHttp {
  readonly #limits: DoorServer["limits"];
  readonly #givenUp: GivenUpCalls;
  readonly #handler: McpHttpHandler;
  /** Callers by the object that the handler passes on as it is, without looking into it. */
  readonly #callers = new WeakMap<AuthInfo, ToolCaller>();

  constructor(server: Pick<DoorServer, "limits" | "onCommandsChanged">) {
    const { limits } = server;
    this.#limits = limits;
    this.#givenUp = new GivenUpCalls(limits);
    this.#handler = createMcpHandler(
      ({ authInfo, era }) => {
        const caller = authInfo === undefined ? undefined : this.#callers.get(authInfo);
        if (caller === undefined) throw new IscepError("internal", "a request of MCP has no caller");
        // Clients of 2025 have no stream on which they could hear of changed tools.
        return mcpServer({ limits, tellsChanges: era === "modern", caller: async () => caller });
      },
      { maxRequestBodySize: limits.maxPacketBytes },
    );
    server.onCommandsChanged(() => this.#handler.notify.toolsChanged());
  }

  /** @param body what was sent, as JSON; undefined when nothing was */
  async answer(request: Request, body: unknown, { client, token }: HttpCaller): Promise<Response> {
    const authInfo: AuthInfo = { token: "", clientId: "", scopes: [] };
    this.#callers.set(authInfo, { client, token, limits: this.#limits, givenUp: this.#givenUp });
    const response = await this.#handler.fetch(request, {
      authInfo,
      ...(body === undefined ? {} : { parsedBody: body }),
    });
    if (!isJsonObject(body) || body["method"] !== "subscriptions/listen") return response;
    const isGood = (): Promise<boolean> =>
      client.ping().then(
        () => true,
        () => false,
      );
    return whileGood(response, isGood, this.#limits.mcpListenCheckMs);
  }

  /** Ends the streams on which clients wait for changed tools. */
  close(): Promise<void> {
    return this.#handler.close();
  }
}
