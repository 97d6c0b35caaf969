/** Arguments as they were given. Of secrets, and of what was not kept, there is only the name. */
import type { JSX } from "preact";
import { visibleLine } from "../../../src/text/visible-text.js";

interface Props {
  readonly args: Readonly<Record<string, unknown>>;
  readonly secrets?: readonly string[];
}

export function ArgumentList({ args, secrets = [] }: Props): JSX.Element | null {
  const names = [...new Set([...Object.keys(args), ...secrets])];
  if (names.length === 0) return null;
  return (
    <dl class="arguments">
      {names.map((name) => (
        <div key={name}>
          <dt>{visibleLine(name)}</dt>
          <dd>{secrets.includes(name) ? <span class="quiet">not shown</span> : visibleLine(shown(args[name]))}</dd>
        </div>
      ))}
    </dl>
  );
}

function shown(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
