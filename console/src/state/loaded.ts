/** Something that is fetched for a view: not there yet, there, or refused. */
import { useEffect, useRef, useState } from "preact/hooks";
import { toProblem, type Problem } from "../api/problem.js";
import { serverReturns } from "./server.js";

export interface Loaded<Value> {
  readonly value: Value | undefined;
  readonly problem: Problem | undefined;
  readonly isLoading: boolean;
  /** Fetches again; what is there stays until the answer comes. */
  readonly reload: () => void;
}

/** Fetches when the key changes, when the server came back, and every `everyMs`. */
export function useLoaded<Value>(key: string, fetchValue: () => Promise<Value>, everyMs?: number): Loaded<Value> {
  const [state, setState] = useState<{ key: string; value?: Value; problem?: Problem; isLoading: boolean }>({
    key,
    isLoading: true,
  });
  const latest = useRef({ key, fetchValue, number: 0 });
  latest.current.key = key;
  latest.current.fetchValue = fetchValue;

  const load = (): void => {
    const number = ++latest.current.number;
    const isCurrent = (): boolean => number === latest.current.number && key === latest.current.key;
    latest.current.fetchValue().then(
      (value) => {
        if (isCurrent()) setState({ key, value, isLoading: false });
      },
      (error: unknown) => {
        if (isCurrent()) setState((before) => ({ ...before, key, problem: toProblem(error), isLoading: false }));
      },
    );
  };
  const returns = serverReturns.value;
  useEffect(() => {
    setState((before) => (before.key === key ? { ...before, isLoading: true } : { key, isLoading: true }));
    load();
    if (everyMs === undefined) return undefined;
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") load();
    }, everyMs);
    return () => clearInterval(timer);
  }, [key, returns, everyMs]);
  const isOld = state.key !== key;
  return {
    value: isOld ? undefined : state.value,
    problem: isOld ? undefined : state.problem,
    isLoading: isOld || state.isLoading,
    reload: load,
  };
}
