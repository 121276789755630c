// Small things that all views share.

import { type CSSProperties, type ReactNode, useEffect, useRef, useState } from "react";

import { type Contact, type Counts, ROW_STATES, type RunTask } from "./api";
import { count, many, words } from "./words";

/** How a state of a row, a contact or a task instance looks; the word is always beside the colour. */
const TONES: Record<string, string> = {
  created: "good",
  already_created: "good",
  completed: "good",
  success: "good",
  failed: "bad",
  invalid: "bad",
  upstream_failed: "bad",
  unknown: "doubt",
  up_for_retry: "doubt",
  expired: "doubt",
  not_answered: "doubt",
  busy: "doubt",
  open: "busy",
  running: "busy",
  queued: "busy",
  deferred: "busy",
  transferred: "busy",
};

export function tone(state: string): string {
  return TONES[state] ?? "quiet";
}

export function State({ state }: { state: string | null }) {
  return state === null ? (
    <span className="ac-muted">no status</span>
  ) : (
    <span className={`ac-state ac-${tone(state)}`}>{words(state)}</span>
  );
}

/** Words for a person; what stands between backticks is code. */
export function Notice({ children, bad = false }: { children: string; bad?: boolean }) {
  return (
    <p className={bad ? "ac-notice ac-notice-bad" : "ac-notice"} role={bad ? "alert" : "note"}>
      {children.split("`").map((part, index) => (index % 2 === 1 ? <code key={index}>{part}</code> : part))}
    </p>
  );
}

/** Text of which three lines are shown at first. All of it is on the page: a screen reader and a search find it. */
export function Clamped({ children, name }: { children: string; name: string }) {
  const [isWhole, setWhole] = useState(false);
  const [isLong, setLong] = useState(false);
  const text = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const shown = text.current;
    if (shown === null || isWhole) {
      return undefined;
    }
    // How long it is depends on the width of its column.
    const observer = new ResizeObserver(() => setLong(shown.scrollHeight > shown.clientHeight + 1));
    observer.observe(shown);
    return () => observer.disconnect();
  }, [children, isWhole]);
  return (
    <div>
      <div className={isWhole ? "" : "ac-clamped"} ref={text}>
        {children}
      </div>
      {isLong ? (
        <button className="ac-more" onClick={() => setWhole(!isWhole)} type="button">
          {isWhole ? "Show less" : "Show all"}
          <span className="ac-unseen"> of the {name}</span>
        </button>
      ) : null}
    </div>
  );
}

export function Waiting() {
  return (
    <p className="ac-muted" role="status">
      Loading …
    </p>
  );
}

/** A contact's ID, which leads to its page at Amazon Connect where that is known. */
export function ContactId({ id, url }: { id: string | null; url: string | null }) {
  if (id === null) {
    return <span className="ac-muted">–</span>;
  }
  return isWebsite(url) ? (
    <a className="ac-id" href={url} rel="noopener noreferrer" target="_blank" title="Open the contact's page">
      {id}
    </a>
  ) : (
    <span className="ac-id">{id}</span>
  );
}

/** A link that runs a script is not a page. */
function isWebsite(url: string | null): url is string {
  return url !== null && /^https?:\/\//i.test(url);
}

/** Where the tab of a task instance is in Airflow's UI. */
export function taskPage(dagId: string, runId: string, taskId: string, mapIndex: number): string {
  const mapped = mapIndex < 0 ? "" : `/mapped/${mapIndex}`;
  return `${runPage(dagId, runId, "")}/tasks/${encodeURIComponent(taskId)}${mapped}/plugin/contacts`;
}

export function runPage(dagId: string, runId: string, tab = "/plugin/contacts-run"): string {
  return `/dags/${encodeURIComponent(dagId)}/runs/${encodeURIComponent(runId)}${tab}`;
}

/** Progress as a bar, its parts in the colours of their states. */
export function Bar({ counts, done, total }: { counts: Counts | null; done: number; total: number }) {
  const share = total > 0 ? done / total : 1;
  const parts =
    counts === null
      ? [{ state: "created", part: share }]
      : ROW_STATES.filter((state) => state !== "not_sent").map((state) => ({
          state,
          part: (counts[state] ?? 0) / Math.max(counts.rows, 1),
        }));
  return (
    <div
      aria-label="Rows done"
      aria-valuemax={total}
      aria-valuemin={0}
      aria-valuenow={done}
      aria-valuetext={`${count(done)} of ${many(total, "row")}`}
      className="ac-progress"
      role="progressbar"
    >
      {parts.map(({ state, part }) =>
        part > 0 ? <span className={`ac-${tone(state)}`} key={state} style={{ width: `${part * 100}%` } as CSSProperties} /> : null,
      )}
    </div>
  );
}

/** How many rows of a run are done, and what went wrong, in one line. */
export function Done({ counts }: { counts: Counts | null }) {
  if (counts === null) {
    return <span className="ac-muted">–</span>;
  }
  const done = counts.rows - (counts.not_sent ?? 0);
  const wrong = ROW_STATES.slice(0, 3).filter((state) => (counts[state] ?? 0) > 0);
  return (
    <div className="ac-done">
      <Bar counts={counts} done={done} total={counts.rows} />
      <span className="ac-facts">
        <span>
          {count(done)} of {count(counts.rows)}
        </span>
        {wrong.map((state) => (
          <span className={`ac-fault ac-${tone(state)}-text`} key={state}>
            {count(counts[state])} {words(state)}
          </span>
        ))}
      </span>
    </div>
  );
}

/** What a task instance of a run did, in a cell. */
export function TaskSummary({ task }: { task: RunTask }) {
  if (task.counts !== null) {
    return <Done counts={task.counts} />;
  }
  return task.contact === null ? <span className="ac-muted">–</span> : <Brief contact={task.contact} />;
}

function Brief({ contact }: { contact: Contact }) {
  return (
    <span className="ac-brief">
      <State state={contact.state} /> <ContactId id={contact.contact_id} url={contact.url} />
    </span>
  );
}

export function Figure({ name, children, more }: { name: string; children: ReactNode; more?: ReactNode }) {
  return (
    <div className="ac-figure">
      <dt>{name}</dt>
      <dd>
        {children}
        {more === undefined ? null : <small>{more}</small>}
      </dd>
    </div>
  );
}
