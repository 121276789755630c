// What is searched, filtered, sorted and paged stands in the page's address: a reload, a link and "back" keep it.

import { useCallback, useState } from "react";

/** Names of our own: Airflow's UI keeps its filters in the same address. */
const PREFIX = "contacts_";

/**
 * Return what reads a parameter of the address, and what changes some.
 *
 * Not by the host's router: when the address changes, Airflow's UI builds a plugin's view anew, and what somebody types
 * in loses the focus.
 */
export function useAddress(): [(name: string) => string, (changes: Record<string, string>) => void] {
  const [query, setQuery] = useState(() => window.location.search);
  const parameters = new URLSearchParams(query);
  const get = (name: string) => parameters.get(PREFIX + name) ?? "";
  const set = useCallback((changes: Record<string, string>) => {
    const address = new URL(window.location.href);
    for (const [name, value] of Object.entries(changes)) {
      if (value === "") {
        address.searchParams.delete(PREFIX + name);
      } else {
        address.searchParams.set(PREFIX + name, value);
      }
    }
    window.history.replaceState(window.history.state, "", address);
    setQuery(address.search);
  }, []);
  return [get, set];
}
