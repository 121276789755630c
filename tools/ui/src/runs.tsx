// The tabs of a Dag run and of a Dag, and the page in the navigation.

import { type ReactNode, useState } from "react";
import { Link } from "react-router-dom";

import { type Run, type Runs, address } from "./api";
import { Done, Notice, State, TaskSummary, Waiting, runPage, taskPage } from "./parts";
import { IDLE, usePoll } from "./poll";
import { Empty } from "./task";
import { between, count, duration, many, moment } from "./words";

/** Seconds after which a list of runs is asked for again. */
const REFRESH = 15;
const TASKS = 100;
const RUNS = 25;

export function RunView({ dagId, runId }: { dagId: string; runId: string }) {
  const [offset, setOffset] = useState(0);
  const url = address(["dags", dagId, "runs", runId], { limit: TASKS, offset: offset || undefined });
  const { data, error } = usePoll<Run>(url, (run) => run.refresh_seconds ?? IDLE);
  if (data === null) {
    return error === null ? <Waiting /> : <Notice bad>{error.message}</Notice>;
  }
  return (
    <section aria-label="Tasks with contacts" className="ac-section">
      {error === null ? null : <Notice bad>{error.message}</Notice>}
      {data.tasks.length === 0 ? (
        <Empty>No task of this run creates or changes contacts.</Empty>
      ) : (
        <Table columns={["Task", "State", "Contacts", "Started", "Duration"]}>
          {data.tasks.map((task) => (
            <tr key={`${task.task_id} ${task.map_index}`} role="row">
              <td data-title="Task" role="cell">
                <Link to={taskPage(dagId, runId, task.task_id, task.map_index)}>
                  {task.task_id}
                  {task.map_index < 0 ? "" : ` [${task.label ?? task.map_index}]`}
                </Link>
              </td>
              <td data-title="State" role="cell">
                <State state={task.state} />
              </td>
              <td className="ac-wide" data-title="Contacts" role="cell">
                <TaskSummary task={task} />
              </td>
              <td className="ac-time" data-title="Started" role="cell">{moment(task.started)}</td>
              <td className="ac-time" data-title="Duration" role="cell">{duration(between(task.started, task.ended))}</td>
            </tr>
          ))}
        </Table>
      )}
      <More
        from={offset}
        go={setOffset}
        hasMore={offset + TASKS < data.total}
        size={TASKS}
        what={`${many(data.total, "task instance")} with contacts`}
      />
    </section>
  );
}

const DAYS = [1, 7, 30, 90];

/** Runs of one Dag, or of all Dags that the person may read. */
export function RunsView({ dagId }: { dagId: string | undefined }) {
  const [days, setDays] = useState(7);
  const [offset, setOffset] = useState(0);
  const where = dagId === undefined ? ["runs"] : ["dags", dagId, "runs"];
  const url = address(where, { days, limit: RUNS, offset: offset || undefined });
  const { data, error } = usePoll<Runs>(url, () => REFRESH);
  return (
    <section aria-label="Runs with contacts" className="ac-section">
      {dagId === undefined ? <h2>Contacts of Amazon Connect</h2> : null}
      <label className="ac-tools">
        <span>Runs of the last</span>
        <select
          className="ac-input"
          onChange={(event) => {
            setDays(Number(event.target.value));
            setOffset(0);
          }}
          value={days}
        >
          {DAYS.map((one) => (
            <option key={one} value={one}>
              {many(one, "day")}
            </option>
          ))}
        </select>
      </label>
      {error === null ? null : <Notice bad>{error.message}</Notice>}
      {data === null ? (
        error === null ? (
          <Waiting />
        ) : null
      ) : data.runs.length === 0 && offset === 0 ? (
        <Empty>{`No run of the last ${many(days, "day")} created or changed contacts.`}</Empty>
      ) : (
        <>
          <Table columns={[...(dagId === undefined ? ["Dag"] : []), "Run", "State", "Rows done", "Tasks", "Started", "Duration"]}>
            {data.runs.map((run) => (
              <tr key={`${run.dag_id} ${run.run_id}`} role="row">
                {dagId === undefined ? (
                  <td data-title="Dag" role="cell">
                    <Link to={`/dags/${encodeURIComponent(run.dag_id)}/plugin/contacts-dag`}>{run.dag_id}</Link>
                  </td>
                ) : null}
                <td data-title="Run" role="cell">
                  <Link to={runPage(run.dag_id, run.run_id)}>{run.run_id}</Link>
                </td>
                <td data-title="State" role="cell">
                  <State state={run.state} />
                </td>
                <td className="ac-wide" data-title="Rows done" role="cell">
                  <Done counts={run.counts} />
                </td>
                <td data-title="Tasks" role="cell">
                  <span className="ac-facts">
                    <span>{count(run.tasks)}</span>
                    {run.failed_tasks > 0 ? (
                      <span className="ac-fault ac-bad-text">{count(run.failed_tasks)} failed</span>
                    ) : null}
                  </span>
                </td>
                <td className="ac-time" data-title="Started" role="cell">{moment(run.started)}</td>
                <td className="ac-time" data-title="Duration" role="cell">{duration(between(run.started, run.ended))}</td>
              </tr>
            ))}
          </Table>
          <More from={offset} go={setOffset} hasMore={data.has_more} size={RUNS} what="" />
        </>
      )}
    </section>
  );
}

function Table({ columns, children }: { columns: string[]; children: ReactNode }) {
  return (
    <div className="ac-scroll">
      <table className="ac-table" role="table">
        <thead role="rowgroup">
          <tr role="row">
            {columns.map((column) => (
              <th key={column} role="columnheader" scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">{children}</tbody>
      </table>
    </div>
  );
}

function More({
  from,
  size,
  hasMore,
  go,
  what,
}: {
  from: number;
  size: number;
  hasMore: boolean;
  go: (offset: number) => void;
  what: string;
}) {
  if (from === 0 && !hasMore) {
    return what === "" ? null : <p className="ac-muted">{what}</p>;
  }
  return (
    <nav aria-label="Pages" className="ac-pages">
      <button className="ac-button" disabled={from === 0} onClick={() => go(Math.max(0, from - size))} type="button">
        Previous
      </button>
      <button className="ac-button" disabled={!hasMore} onClick={() => go(from + size)} type="button">
        Next
      </button>
      <span className="ac-muted">{what}</span>
    </nav>
  );
}
