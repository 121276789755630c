// What is searched, filtered, sorted and paged stands in the page's address: a reload, a link and "back" keep it.

import { useCallback } from "react";
import { useSearchParams } from "react-router-dom";

/** Names of our own: Airflow's UI keeps its filters in the same address. */
const PREFIX = "contacts_";

export function useAddress(): [(name: string) => string, (changes: Record<string, string>) => void] {
  const [parameters, setParameters] = useSearchParams();
  const get = (name: string) => parameters.get(PREFIX + name) ?? "";
  const set = useCallback(
    (changes: Record<string, string>) =>
      setParameters(
        (now) => {
          const next = new URLSearchParams(now);
          for (const [name, value] of Object.entries(changes)) {
            if (value === "") {
              next.delete(PREFIX + name);
            } else {
              next.set(PREFIX + name, value);
            }
          }
          return next;
        },
        { replace: true },
      ),
    [setParameters],
  );
  return [get, set];
}
