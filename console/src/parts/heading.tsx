/** The title of a view. It takes the focus when the view is entered, and names the page. */
import { useEffect } from "preact/hooks";
import type { ComponentChildren, JSX } from "preact";

interface Props {
  readonly title: string;
  /** What the title of the page says, when it is more than the heading. */
  readonly page?: string;
  readonly children?: ComponentChildren;
}

export function Heading({ title, page = title, children }: Props): JSX.Element {
  useEffect(() => {
    document.title = `${page} · iscep`;
  }, [page]);
  return (
    <header class="heading">
      <h1 tabIndex={-1}>{title}</h1>
      {children}
    </header>
  );
}
