/** What stands where nothing is yet: why, and what to do. */
import type { ComponentChildren, JSX } from "preact";
import { Icon, type IconName } from "./icon.js";

interface Props {
  readonly icon: IconName;
  readonly title: string;
  readonly children?: ComponentChildren;
}

export function BlankNote({ icon, title, children }: Props): JSX.Element {
  return (
    <div class="blank">
      <Icon name={icon} />
      <p class="blank-title">{title}</p>
      {children}
    </div>
  );
}

/** Grey lines of the height of what will come, so that nothing moves when it does. */
export function LoadingRows({ rows = 6 }: { readonly rows?: number }): JSX.Element {
  return (
    <div class="loading" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, index) => (
        <div key={index} class="loading-row" />
      ))}
    </div>
  );
}
