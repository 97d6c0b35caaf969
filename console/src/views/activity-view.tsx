import type { JSX } from "preact";
import { Heading } from "../parts/heading.js";

export function ActivityView(): JSX.Element {
  return <Heading title="Activity" />;
}
