/** What can be done with an output: search, copy, download. */
import { useEffect, useState } from "preact/hooks";
import type { JSX } from "preact";
import type { LiveRun } from "../state/live-run.js";
import { sizeText } from "../words/time.js";
import { Icon } from "./icon.js";
import type { OutputSearch } from "./output-search.js";
import { SearchField } from "./search-field.js";

interface Props {
  readonly live: LiveRun;
  readonly search: OutputSearch;
  readonly onCopy: () => Promise<string>;
}

export function OutputTools({ live, search, onCopy }: Props): JSX.Element {
  const [copied, setCopied] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => setCopied(""), 2_500);
    return () => clearTimeout(timer);
  }, [copied]);
  const { query, hits, current } = search;
  const place = current === undefined ? "" : `${hits.indexOf(current) + 1} of `;
  const note =
    query === ""
      ? ""
      : hits.length === 0
        ? search.isBusy
          ? "…"
          : "no hit"
        : `${place}${hits.length.toLocaleString("en-US")}`;
  return (
    <div class="output-tools" role="toolbar" aria-label="Output">
      <SearchField
        label="Search in output"
        value={query}
        note={note}
        onInput={search.setQuery}
        onKeyDown={(event) => {
          if (event.key !== "Enter") return;
          event.preventDefault();
          search.step(event.shiftKey ? -1 : 1);
        }}
      />
      <button
        type="button"
        class="icon-button"
        title="Hit before"
        disabled={hits.length === 0}
        onClick={() => search.step(-1)}
      >
        <Icon name="up" />
        <span class="unseen">Hit before</span>
      </button>
      <button
        type="button"
        class="icon-button"
        title="Next hit"
        disabled={hits.length === 0}
        onClick={() => search.step(1)}
      >
        <Icon name="down" />
        <span class="unseen">Next hit</span>
      </button>
      <span class="output-size digits">{copied === "" ? sizeText(live.outputBytes.value) : copied}</span>
      <button
        type="button"
        class="icon-button"
        title="Copy the marked lines, or all"
        onClick={() => void onCopy().then(setCopied)}
      >
        <Icon name="copy" />
        <span class="unseen">Copy</span>
      </button>
      <a
        class="icon-button"
        title="Download"
        href={`/runs/${encodeURIComponent(live.id)}/output`}
        download={`${live.id}.txt`}
      >
        <Icon name="download" />
        <span class="unseen">Download</span>
      </a>
    </div>
  );
}
