/** The options of the HTTP door. */
import type { ListenPlace } from "../../../transport/address.js";
import { compileHooks, type HookDefinition } from "../../../hooks/definition.js";
import { refuseUnknownOption } from "../../../text/unknown-option.js";

export interface HttpSettings {
  /** Places of its own to listen on. Default: the places of the server, which then serve HTTP too. */
  readonly listen?: readonly ListenPlace[];
  /**
   * Names under which browsers and programs reach this server, as in the header Host, without the port; `*` allows all.
   * IP addresses, `localhost` and the host of each place are always allowed. Default: none besides.
   */
  readonly hosts?: readonly string[];
  /** Origins of other web pages that may call, such as `https://app.example`. Default: none. */
  readonly origins?: readonly string[];
  /** Webhooks by their names: `POST /hooks/NAME` runs a command (docs/WEBHOOKS.md). Default: none. */
  readonly hooks?: Readonly<Record<string, HookDefinition>>;
}

const settingNames = { listen: true, hosts: true, origins: true, hooks: true } satisfies Record<
  keyof HttpSettings,
  true
>;

/** @throws IscepError `usage` for an option that does not exist, and for a hook that is wrong */
export function checkHttpSettings(settings: HttpSettings): void {
  refuseUnknownOption("httpDoor()", settings, settingNames);
  compileHooks(settings.hooks ?? {});
}
