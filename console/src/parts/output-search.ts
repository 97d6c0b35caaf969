/** The search in an output: it works in small pieces, so that the page stays alive, and goes on with what comes. */
import { useEffect, useRef, useState } from "preact/hooks";
import { LineSearch } from "../output/line-search.js";
import type { LiveRun } from "../state/live-run.js";

export interface OutputSearch {
  readonly query: string;
  readonly hits: readonly number[];
  /** The line of the hit that is looked at. */
  readonly current: number | undefined;
  readonly isBusy: boolean;
  readonly setQuery: (query: string) => void;
  /** To the next hit (1) or the one before (-1), round and round. */
  readonly step: (direction: 1 | -1) => void;
}

const linesAtOnce = 8_000;

export function useOutputSearch(live: LiveRun): OutputSearch {
  const [query, setQuery] = useState("");
  const [found, setFound] = useState<{ hits: readonly number[]; isBusy: boolean }>({ hits: [], isBusy: false });
  const [current, setCurrent] = useState<number | undefined>(undefined);
  const running = useRef<LineSearch | undefined>(undefined);
  const drawn = live.drawn.value;

  useEffect(() => {
    setCurrent(undefined);
    running.current = query === "" ? undefined : new LineSearch(live.model, query);
    if (query === "") setFound({ hits: [], isBusy: false });
  }, [query]);

  useEffect(() => {
    const search = running.current;
    if (search === undefined) return undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const work = (): void => {
      const isBusy = search.step(linesAtOnce);
      setFound({ hits: search.hits(), isBusy });
      if (isBusy) timer = setTimeout(work, 0);
    };
    // While somebody types, or much comes, the work waits a little.
    timer = setTimeout(work, 120);
    return () => clearTimeout(timer);
  }, [query, drawn]);

  return {
    query: query.toLowerCase(),
    hits: found.hits,
    current,
    isBusy: found.isBusy,
    setQuery,
    step(direction) {
      const { hits } = found;
      if (hits.length === 0) return;
      const at = current === undefined ? (direction === 1 ? -1 : 0) : hits.indexOf(current);
      setCurrent(hits[(at + direction + hits.length) % hits.length]);
    },
  };
}
