import { defineCommand } from "iscep";
import { z } from "zod";

interface Doubled {
  readonly number: number;
}

export const double = defineCommand({
  name: "double",
  args: z.object({ number: z.number() }),
  run: ({ number }: Doubled): number => number * 2,
});
