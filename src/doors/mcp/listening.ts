/**
 * A stream on which a client hears of changed tools lasts for hours, and nothing is called on it. So its door asks again and
 * again whether the token of its caller is still good, and ends the stream when it is not.
 */

/** @param isGood asked every `intervalMs`, and before anything is told */
export function whileGood(response: Response, isGood: () => Promise<boolean>, intervalMs: number): Response {
  const body: ReadableStream<Uint8Array> | null = response.body;
  if (body === null) return response;
  const reader = body.getReader();
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  /** What happens to the stream happens once, because a second time would throw. */
  const end = (how: () => void): void => {
    if (isOver) return;
    isOver = true;
    clearInterval(timer);
    how();
    // The other side may have ended already.
    reader.cancel().catch(() => {});
  };
  const stream = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const check = async (): Promise<void> => {
          if (!(await isGood())) end(() => controller.close());
        };
        timer = setInterval(() => void check(), intervalMs);
      },
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (done || !(await isGood())) end(() => controller.close());
          else if (!isOver) controller.enqueue(value);
        } catch (error) {
          end(() => controller.error(error));
        }
      },
      cancel: () => end(() => {}),
    },
    { highWaterMark: 0 },
  );
  return new Response(stream, response);
}
