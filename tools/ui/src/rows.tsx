// The table of contacts of a task instance: searched, filtered, sorted and paged by the server.

import { type ReactNode, useEffect, useId, useState } from "react";

import { type Counts, ROW_STATES, type Row, type Rows, address, taskAddress } from "./api";
import { Clamped, ContactId, Notice, State, Waiting, tone } from "./parts";
import { usePoll } from "./poll";
import { useAddress } from "./query";
import { count, many, moment, words } from "./words";

/** Seconds until a record that is being read is asked for again. */
const SOON = 3;
const SIZES = ["25", "50", "100", "200"];

interface Column {
  name: string;
  title: string;
  /** What the server sorts by; null where it does not. */
  sort: string | null;
  cell: (row: Row) => ReactNode;
}

const COLUMNS: Column[] = [
  { name: "row", title: "Row", sort: "row", cell: (row) => count(row.row) },
  { name: "key", title: "Key", sort: "key", cell: (row) => row.key ?? "–" },
  { name: "state", title: "State", sort: "state", cell: (row) => <State state={row.state} /> },
  { name: "contact", title: "Contact", sort: null, cell: (row) => <ContactId id={row.contact_id} url={row.url} /> },
  { name: "attempts", title: "Attempts", sort: "attempts", cell: (row) => count(row.attempts) },
  { name: "at", title: "Time", sort: "at", cell: (row) => <time dateTime={row.at ?? undefined}>{moment(row.at)}</time> },
  { name: "error", title: "Error", sort: null, cell: error },
  { name: "outcome", title: "Outcome", sort: "outcome", cell: outcome },
];

function error(row: Row): ReactNode {
  return row.error === null ? "" : <Clamped name={`error of row ${count(row.row)}`}>{row.error}</Clamped>;
}

function outcome(row: Row): ReactNode {
  if (row.outcome === null) {
    return row.transferred_to === null ? "" : <span title={`Transferred to ${row.transferred_to}`}>transferred</span>;
  }
  return words(row.outcome);
}

interface Where {
  dagId: string;
  runId: string;
  taskId: string;
  mapIndex: number;
}

export function ContactTable({
  where,
  counts,
  refresh,
  withOutcomes,
  changed,
}: {
  where: Where;
  counts: Counts | null;
  refresh: number | null;
  /** Whether outcomes are on record of some rows. */
  withOutcomes: boolean;
  /** Another value asks anew at once: what the task instance has come to. */
  changed: string;
}) {
  const [get, set] = useAddress();
  const [states, q, sort, order] = [get("state"), get("q"), get("sort"), get("order")];
  const size = SIZES.includes(get("size")) ? get("size") : "25";
  const page = Math.max(1, Math.floor(Number(get("page"))) || 1);
  const url = address([...taskAddress(where), "contacts"], {
    state: states.split(",").filter((state) => state !== ""),
    outcome: get("outcome"),
    q,
    sort,
    order: sort === "" ? "" : order,
    limit: size,
    offset: (page - 1) * Number(size) || undefined,
    // The server ignores it; a task instance that has ended is asked once more for what it came to.
    at: changed,
  });
  const { data, error, waits } = usePoll<Rows>(url, (rows) => (rows.building ? SOON : refresh));
  const last = data === null ? page : Math.max(1, Math.ceil(data.matching / Number(size)));
  const caption = useId();

  // Rows that were there may be gone from a filter meanwhile.
  useEffect(() => {
    if (!waits && page > last) {
      set({ page: last === 1 ? "" : String(last) });
    }
  }, [waits, page, last, set]);

  const hidden = [data?.show_keys === true ? "" : "key", withOutcomes ? "" : "outcome"];
  const columns = COLUMNS.filter((column) => !hidden.includes(column.name));

  function sortBy(column: string): void {
    const descending = sort === column && order !== "desc";
    const off = sort === column && order === "desc";
    set({ sort: off ? "" : column, order: descending ? "desc" : "", page: "" });
  }

  return (
    <section aria-labelledby={caption} className="ac-section">
      <h3 id={caption}>Contacts</h3>
      <Filters counts={counts} states={states} toggle={(state) => set({ state, page: "" })} />
      <div className="ac-tools">
        <Search found={q} search={(text) => set({ q: text, page: "" })} showKeys={data?.show_keys === true} />
        <a className="ac-button" download href={address([...taskAddress(where), "failed.csv"])}>
          Download failed rows
        </a>
      </div>
      {error === null ? null : <Notice bad>{error.message}</Notice>}
      {data?.notice ? <Notice>{data.notice}</Notice> : null}
      <p aria-live="polite" className="ac-muted ac-found-rows">
        {data === null ? "" : describe(data, states, q, waits)}
      </p>
      {data === null ? (
        error === null ? (
          <Waiting />
        ) : null
      ) : (
        <>
          <div aria-label="Table of contacts" className="ac-scroll" role="region" tabIndex={0}>
            <table aria-busy={waits} aria-labelledby={caption} className="ac-table ac-sorted" role="table">
              <thead role="rowgroup">
                <tr role="row">
                  {columns.map((column) => (
                    <Heading column={column} key={column.name} order={order} sort={sort} sortBy={sortBy} />
                  ))}
                </tr>
              </thead>
              <tbody role="rowgroup">
                {data.rows.map((row) => (
                  <tr key={`${row.map_index} ${row.row}`} role="row">
                    {columns.map((column) => {
                      const content = column.cell(row);
                      return (
                        <td
                          className={`ac-cell-${column.name}`}
                          data-empty={content === ""}
                          data-title={column.title}
                          key={column.name}
                          role="cell"
                        >
                          {content}
                        </td>
                      );
                    })}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          <Pages last={last} page={page} set={set} size={size} />
        </>
      )}
    </section>
  );
}

function describe(data: Rows, states: string, q: string, waits: boolean): string {
  if (waits) {
    return "Loading …";
  }
  if (data.building) {
    return "The record is being read …";
  }
  if (data.total === 0) {
    return "No rows are on record yet.";
  }
  const filtered = states !== "" || q !== "" || data.matching !== data.total;
  return filtered ? `${count(data.matching)} of ${many(data.total, "row")} match` : `${many(data.total, "row")} on record`;
}

/** The counts by state, each of which filters. */
function Filters({ counts, states, toggle }: { counts: Counts | null; states: string; toggle: (states: string) => void }) {
  const chosen = states.split(",").filter((state) => state !== "");
  const shown = ROW_STATES.filter((state) => counts === null || (counts[state] ?? 0) > 0 || chosen.includes(state));
  return (
    <div aria-label="Filter by state" className="ac-filters" role="group">
      <button aria-pressed={chosen.length === 0} className="ac-chip" onClick={() => toggle("")} type="button">
        all <b>{counts === null ? "" : count(counts.rows)}</b>
      </button>
      {shown.map((state) => {
        const pressed = chosen.includes(state);
        const next = pressed ? chosen.filter((one) => one !== state) : [...chosen, state];
        return (
          <button
            aria-pressed={pressed}
            className={`ac-chip ac-${tone(state)}`}
            key={state}
            onClick={() => toggle(next.join(","))}
            type="button"
          >
            {words(state)} <b>{counts === null ? "" : count(counts[state] ?? 0)}</b>
          </button>
        );
      })}
    </div>
  );
}

/** Searches when typing pauses. */
function Search({ found, search, showKeys }: { found: string; search: (text: string) => void; showKeys: boolean }) {
  const [typed, setTyped] = useState(found);
  useEffect(() => setTyped(found), [found]);
  useEffect(() => {
    if (typed === found) {
      return undefined;
    }
    const timer = window.setTimeout(() => search(typed.trim()), 400);
    return () => window.clearTimeout(timer);
  }, [typed, found, search]);
  const what = showKeys ? "Row, key, contact ID or error" : "Row, contact ID or error";
  return (
    <input
      aria-label={`Search: ${what.toLowerCase()}`}
      className="ac-input"
      maxLength={200}
      onChange={(event) => setTyped(event.target.value)}
      placeholder={what}
      type="search"
      value={typed}
    />
  );
}

function Heading({
  column,
  sort,
  order,
  sortBy,
}: {
  column: Column;
  sort: string;
  order: string;
  sortBy: (column: string) => void;
}) {
  const { sort: by } = column;
  if (by === null) {
    return <th role="columnheader" scope="col">{column.title}</th>;
  }
  const direction = sort !== by ? "none" : order === "desc" ? "descending" : "ascending";
  return (
    <th aria-sort={direction} role="columnheader" scope="col">
      <button onClick={() => sortBy(by)} type="button">
        {column.title}
        <span aria-hidden="true">{{ none: "↕", ascending: "↑", descending: "↓" }[direction]}</span>
      </button>
    </th>
  );
}

function Pages({
  page,
  last,
  size,
  set,
}: {
  page: number;
  last: number;
  size: string;
  set: (changes: Record<string, string>) => void;
}) {
  const go = (to: number) => set({ page: to === 1 ? "" : String(to) });
  return (
    <nav aria-label="Pages of contacts" className="ac-pages">
      <button className="ac-button" disabled={page <= 1} onClick={() => go(page - 1)} type="button">
        Previous
      </button>
      <span>
        Page {count(Math.min(page, last))} of {count(last)}
      </span>
      <button className="ac-button" disabled={page >= last} onClick={() => go(page + 1)} type="button">
        Next
      </button>
      <label>
        Rows on a page{" "}
        <select className="ac-input" onChange={(event) => set({ size: event.target.value, page: "" })} value={size}>
          {SIZES.map((one) => (
            <option key={one}>{one}</option>
          ))}
        </select>
      </label>
    </nav>
  );
}
