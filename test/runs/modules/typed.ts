import { defineCommand } from "iscep";

interface Point {
  readonly x: number;
  readonly y: number;
}

export const typed = defineCommand({
  name: "typed",
  thread: import.meta.url,
  run: (): Point => ({ x: 1, y: 2 }),
});
