/** The search in an output: it works in small pieces, so that the page stays alive, and goes on with what comes. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
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
  /** Somebody pressed Enter before the first hit was found. */
  const awaited = useRef<1 | -1 | undefined>(undefined);
  const drawn = live.drawn.value;

  // At once: an Enter that follows must not meet the hits of the text before.
  useLayoutEffect(() => {
    setCurrent(undefined);
    setFound({ hits: [], isBusy: query !== "" });
    awaited.current = undefined;
    running.current = query === "" ? undefined : new LineSearch(live.model, query);
  }, [query]);

  useEffect(() => {
    const search = running.current;
    if (search === undefined) return undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const work = (): void => {
      const isBusy = search.step(linesAtOnce);
      const hits = search.hits();
      setFound({ hits, isBusy });
      if (hits.length > 0 && awaited.current !== undefined) {
        setCurrent(awaited.current === 1 ? hits[0] : hits.at(-1));
        awaited.current = undefined;
      }
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
      if (hits.length === 0) {
        awaited.current = direction;
        return;
      }
      const at = current === undefined ? (direction === 1 ? -1 : 0) : hits.indexOf(current);
      setCurrent(hits[(at + direction + hits.length) % hits.length]);
    },
  };
}
