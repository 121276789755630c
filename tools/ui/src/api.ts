// What the server answers (airflow_connect/plugins), and the one way to ask it.

export type RowState = "created" | "already_created" | "failed" | "unknown" | "invalid" | "skipped" | "not_sent";
export type Counts = { rows: number } & Partial<Record<RowState, number>>;

/** In the order in which a person wants to see them: what needs somebody first. */
export const ROW_STATES: RowState[] = [
  "failed",
  "invalid",
  "unknown",
  "created",
  "already_created",
  "skipped",
  "not_sent",
];

export interface Progress {
  phase: "checking" | "sending" | "ended" | null;
  done: number | null;
  total: number | null;
  seconds_left: number | null;
  rate: number | null;
  rate_found: number | null;
  throttled_share: number | null;
  line: string | null;
  at: string | null;
}

export interface Sample {
  at: string;
  rate: number | null;
  throttled: number | null;
}

export interface Bucket {
  from: number;
  to: number | null;
  count: number;
}

export interface Spread {
  count: number;
  median: number | null;
  buckets: Bucket[];
}

export interface Outcomes {
  contacts: number;
  open: number;
  states: Record<string, number>;
  decisions: Record<string, number> | null;
  wait: Spread | null;
  handle: Spread | null;
}

export interface Change {
  task_id: string;
  map_index: number;
  operator: string;
  state: string | null;
  what: string;
  done: number | null;
  already_ended: number | null;
  failed: number | null;
  contacts: number | null;
  at: string | null;
}

export interface Contact {
  contact_id: string;
  url: string | null;
  state: string;
  created: string | null;
  waited_seconds: number | null;
  agent_id: string | null;
  queue_id: string | null;
  connected_to_agent: string | null;
  ended: string | null;
  handle_seconds: number | null;
  disconnect_reason: string | null;
  chain: { contact_id: string; url: string | null }[];
}

export interface Task {
  dag_id: string;
  run_id: string;
  task_id: string;
  map_index: number;
  label: string | null;
  operator: string | null;
  kind: "bulk" | "single" | "wait" | "change" | "branch" | "other";
  state: string | null;
  try_number: number;
  started: string | null;
  ended: string | null;
  refresh_seconds: number | null;
  source: string;
  notice: string | null;
  show_keys: boolean;
  /** Whether the server makes the index over a long record: there is more to see soon. */
  building: boolean;
  has_contacts: boolean;
  progress: Progress | null;
  series: Sample[];
  counts: Counts | null;
  outcomes: Outcomes | null;
  changes: Change[];
  contacts: Contact[];
  branch: { followed: string[] } | null;
}

export interface Row {
  map_index: number;
  row: number;
  key?: string | null;
  state: RowState;
  contact_id: string | null;
  url: string | null;
  attempts: number | null;
  at: string | null;
  error: string | null;
  outcome: string | null;
  transferred_to: string | null;
}

export interface Rows {
  total: number;
  matching: number;
  show_keys: boolean;
  notice: string | null;
  building: boolean;
  rows: Row[];
}

export interface RunTask {
  task_id: string;
  map_index: number;
  label: string | null;
  operator: string | null;
  kind: Task["kind"];
  state: string | null;
  try_number: number;
  started: string | null;
  ended: string | null;
  counts: Counts | null;
  progress: Progress | null;
  contact: Contact | null;
}

export interface Run {
  dag_id: string;
  run_id: string;
  state: string | null;
  started: string | null;
  ended: string | null;
  total: number;
  refresh_seconds: number | null;
  tasks: RunTask[];
}

export interface RunLine {
  dag_id: string;
  run_id: string;
  state: string | null;
  started: string | null;
  ended: string | null;
  tasks: number;
  failed_tasks: number;
  counts: Counts | null;
}

export interface Runs {
  runs: RunLine[];
  has_more: boolean;
  days: number;
}

/** An answer that is not 200, with words for a person. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

type Query = Record<string, string | number | string[] | undefined>;

/** The address of a route: below Airflow's base, which may be a prefix; each segment is escaped. */
export function address(segments: (string | number)[], query: Query = {}): string {
  const url = new URL(["amazon-connect", "api", ...segments.map(encodeURIComponent)].join("/"), document.baseURI);
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== "") {
        url.searchParams.append(name, String(one));
      }
    }
  }
  return url.href;
}

export function taskAddress(task: { dagId: string; runId: string; taskId: string; mapIndex: number }): string[] {
  return ["dags", task.dagId, "runs", task.runId, "tasks", task.taskId, String(task.mapIndex)];
}

export async function ask<T>(url: string, signal: AbortSignal): Promise<T> {
  const response = await fetch(url, { credentials: "same-origin", headers: { Accept: "application/json" }, signal });
  if (response.ok) {
    return (await response.json()) as T;
  }
  let detail: unknown;
  try {
    detail = ((await response.json()) as { detail?: unknown }).detail;
  } catch {
    detail = undefined;
  }
  throw new Refused(response.status, inWords(response.status, detail));
}

function inWords(status: number, detail: unknown): string {
  switch (status) {
    case 401:
      return "Your session has ended. Reload the page to log in.";
    case 403:
      return "You may not see the contacts of this Dag. Ask an administrator for read access to the task instances and XComs of this Dag.";
    default:
      return typeof detail === "string" && detail !== "" ? detail : `Airflow answered with status ${status}.`;
  }
}
