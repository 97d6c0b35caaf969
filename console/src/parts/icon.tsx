/** Small drawings of lines. They are always beside a word, so they are hidden from screen readers. */
import type { JSX } from "preact";

const paths = {
  commands: "M4 7l4 4-4 4M11 16h7",
  runs: "M4 6h14M4 11h14M4 16h9",
  schedules: "M11 5v6l4 2M11 3a8 8 0 100 16 8 8 0 000-16",
  activity: "M4 18V10M9 18V4M14 18v-6M19 18V8",
  access: "M7 10V7a4 4 0 018 0v3M5 10h12v8H5z",
  search: "M10 4a6 6 0 100 12 6 6 0 000-12M15 15l4 4",
  play: "M7 4l11 7-11 7z",
  stop: "M6 6h10v10H6z",
  again: "M18 5v5h-5M18 10a7 7 0 10-1 5",
  copy: "M8 8V4h10v10h-4M4 8h10v10H4z",
  download: "M11 4v10M7 10l4 4 4-4M4 18h14",
  down: "M11 4v13M6 12l5 5 5-5",
  up: "M11 18V5M6 10l5-5 5 5",
  close: "M5 5l12 12M17 5L5 17",
  plus: "M11 5v12M5 11h12",
  out: "M9 4H4v14h5M13 7l4 4-4 4M17 11H8",
  ok: "M4 12l4 4L18 6",
  warning: "M11 3l9 16H2zM11 9v4M11 16v.5",
  edit: "M4 18l1-4L15 4l3 3L8 17z",
  light:
    "M11 7a4 4 0 100 8 4 4 0 000-8M11 1v2M11 19v2M1 11h2M19 11h2M4 4l1.4 1.4M16.6 16.6L18 18M18 4l-1.4 1.4M5.4 16.6L4 18",
  dark: "M18 13a7.5 7.5 0 01-9-9 7.5 7.5 0 109 9z",
  system: "M3 5h16v10H3zM8 19h6M11 15v4",
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name }: { readonly name: IconName }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 22 22" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}
