/**
 * `POST /hooks/NAME`: webhooks. A sender without a good signature is told the same whether there is such a hook or not.
 * A sender with one may run the command of the hook and nothing else, through the same checks as every caller.
 */
import { IscepError, textOfThrown } from "../../../errors.js";
import { compileHooks } from "../../../hooks/definition.js";
import { argumentsOf, deliveryKey, isSigned, type Delivery } from "../../../hooks/delivery.js";
import { ownerOfHook, type Hook } from "../../../hooks/hook.js";
import type { HttpContext, HttpMount } from "../request/mount.js";
import { outcomeResponse } from "../answer/outcome-answer.js";
import { wholeBody } from "../request/body.js";

export const mountHooks: HttpMount = (app, { settings, limits }) => {
  const hooks = compileHooks(settings.hooks ?? {});
  const [first] = hooks.values();
  if (first === undefined) return;
  app.post("/hooks/:name", async (context) => {
    const { peer } = context.env;
    peer.checkPenalty();
    const name = context.req.param("name");
    // An unknown name takes the same work.
    const hook = hooks.get(name);
    // For the whole connection, too, it is bounded how much a stranger may send.
    const body = await wholeBody(
      context.req.raw,
      limits,
      context.req.header("content-length"),
      "maxUnauthenticatedBytes",
    );
    const delivery = { header: (name: string) => context.req.header(name), body };
    const fault = faultOf(hook ?? first, delivery, limits.webhookToleranceMs);
    if (hook !== undefined && fault === undefined) {
      if (hook.kind !== "unsigned") peer.identified(ownerOfHook(hook.name));
      return answer(context, hook, argumentsOf(hook, delivery, limits), deliveryKey(hook, delivery));
    }
    peer.failed(
      `webhook ${JSON.stringify(name.slice(0, 64))}: ${hook === undefined ? "there is no such hook" : fault}`,
    );
    throw new IscepError("unauthorized", "the signature is missing, wrong or too old, or there is no such hook");
  });
};

/** Why the delivery must not be believed, for the log. */
function faultOf(hook: Hook, delivery: Delivery, toleranceMs: number): string | undefined {
  try {
    return isSigned(hook, delivery, Date.now(), toleranceMs) ? undefined : "no good signature";
  } catch (error) {
    return textOfThrown(error);
  }
}

async function answer(
  context: HttpContext,
  { name, command }: Hook,
  args: Record<string, unknown> | undefined,
  idempotencyKey: string | undefined,
): Promise<Response> {
  if (args === undefined) return context.json({ status: "ignored" });
  const client = context.env.peer.clientAs({ owner: ownerOfHook(name), commands: [command] });
  try {
    const options = { detach: true, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) };
    const handle = client.run(command, args, options);
    // A sender waits for seconds, and takes a late answer for a failure.
    const run = await handle.id.catch(() => undefined);
    if (run === undefined) return outcomeResponse(await handle.outcome, undefined);
    return context.json({ run, status: "running" }, 202);
  } finally {
    await client.close();
  }
}
