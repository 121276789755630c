// The tab of a task instance: how far it is, what became of its rows, and its contacts.

import type { ReactNode } from "react";

import { type Change, type Contact, type Outcomes, type Task, address, taskAddress } from "./api";
import { Histogram, RateChart } from "./charts";
import { Bar, ContactId, Figure, Notice, State, Waiting } from "./parts";
import { IDLE, usePoll } from "./poll";
import { ContactTable } from "./rows";
import { between, count, duration, many, moment, percent, rate, words } from "./words";

export interface Where {
  dagId: string;
  runId: string;
  taskId: string;
  mapIndex: number;
}

export function TaskView({ where }: { where: Where }) {
  const { data, error } = usePoll<Task>(address(taskAddress(where)), (task) => task.refresh_seconds ?? IDLE);
  if (data === null) {
    return error === null ? <Waiting /> : <Notice bad>{error.message}</Notice>;
  }
  return (
    <>
      {error === null ? null : <Notice bad>{`${error.message} This page shows the state before that.`}</Notice>}
      {data.notice === null ? null : <Notice>{data.notice}</Notice>}
      {data.kind === "other" ? (
        <Empty>This task does not create or change contacts.</Empty>
      ) : (
        <>
          {data.progress !== null || data.counts !== null ? <Progress task={data} /> : null}
          {data.branch === null ? null : <Followed tasks={data.branch.followed} />}
          {data.contacts.length === 0 ? null : <Contacts contacts={data.contacts} />}
          {data.outcomes === null ? null : <OutcomesOf outcomes={data.outcomes} />}
          {data.changes.length === 0 ? null : <Changes changes={data.changes} />}
          {data.has_contacts ? (
            <ContactTable
              changed={`${data.try_number}${data.refresh_seconds === null ? "e" : ""}`}
              counts={data.counts}
              refresh={data.refresh_seconds}
              where={where}
              withOutcomes={data.outcomes !== null}
            />
          ) : null}
          {isEmpty(data) ? <Empty>The contacts of this task are not known yet.</Empty> : null}
        </>
      )}
    </>
  );
}

function isEmpty(task: Task): boolean {
  return (
    task.progress === null &&
    task.counts === null &&
    task.contacts.length === 0 &&
    task.changes.length === 0 &&
    !task.has_contacts &&
    task.notice === null
  );
}

export function Empty({ children }: { children: ReactNode }) {
  return <p className="ac-empty">{children}</p>;
}

function Progress({ task }: { task: Task }) {
  const { progress, counts } = task;
  const total = progress?.total ?? counts?.rows ?? 0;
  const done = progress?.done ?? total - (counts?.not_sent ?? 0);
  if (progress?.phase === "checking" || (counts === null && (progress?.total ?? null) === null)) {
    return (
      <section aria-label="Progress" className="ac-section">
        <p role="status">{progress?.line ?? "The rows are being read and checked."}</p>
      </section>
    );
  }
  const runs = task.refresh_seconds !== null && task.ended === null;
  return (
    <section aria-label="Progress" className="ac-section">
      <div className="ac-headline">
        <strong>
          {count(done)} of {many(total, "row")} done
        </strong>
        <span className="ac-muted">
          {runs
            ? progress?.seconds_left === null || progress === null
              ? ""
              : `about ${duration(progress.seconds_left)} left`
            : `took ${duration(between(task.started, task.ended))}`}
        </span>
      </div>
      <Bar counts={counts} done={done} total={total} />
      {progress === null ? null : (
        <dl className="ac-figures">
          <Figure more="contacts a second" name={runs ? "Rate now" : "Rate"}>
            {rate(progress.rate)}
          </Figure>
          <Figure more="calls a second" name="Pace">
            {rate(progress.rate_found)}
          </Figure>
          <Figure more="of the calls" name="Throttled">
            {percent(progress.throttled_share)}
          </Figure>
          <Figure name="As of">{moment(progress.at)}</Figure>
        </dl>
      )}
      <RateChart found={progress?.rate_found ?? null} series={task.series} />
    </section>
  );
}

function OutcomesOf({ outcomes }: { outcomes: Outcomes }) {
  const states = Object.entries(outcomes.states).filter(([, contacts]) => contacts > 0);
  const decisions = Object.entries(outcomes.decisions ?? {}).filter(([, contacts]) => contacts > 0);
  return (
    <section aria-label="Outcomes" className="ac-section">
      <h3>Outcomes</h3>
      <dl className="ac-figures">
        <Figure more={`of ${many(outcomes.contacts, "contact")}`} name="Open">
          {count(outcomes.open)}
        </Figure>
        {decisions.map(([decision, contacts]) => (
          <Figure key={`decision ${decision}`} more="decided" name={decision}>
            {count(contacts)}
          </Figure>
        ))}
        {states.map(([state, contacts]) => (
          <Figure key={state} name={words(state)}>
            {count(contacts)}
          </Figure>
        ))}
      </dl>
      <div className="ac-histograms">
        {outcomes.wait === null || outcomes.wait.count === 0 ? null : (
          <Histogram spread={outcomes.wait} title="Time until an agent took it" />
        )}
        {outcomes.handle === null || outcomes.handle.count === 0 ? null : (
          <Histogram spread={outcomes.handle} title="Time from then to the end" />
        )}
      </div>
    </section>
  );
}

function Changes({ changes }: { changes: Change[] }) {
  return (
    <section aria-label="Changes by later tasks" className="ac-section">
      <h3>Changes by later tasks</h3>
      <ul className="ac-list">
        {changes.map((change) => (
          <li key={`${change.task_id} ${change.map_index}`}>
            <State state={change.state} />
            <b>
              {change.task_id}
              {change.map_index < 0 ? "" : ` [${change.map_index}]`}
            </b>
            <span>{inWords(change)}</span>
            <span className="ac-muted">{moment(change.at)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function inWords(change: Change): string {
  const parts = [];
  if (change.done !== null) {
    parts.push(`${many(change.done, "contact")} ${words(change.what)}`);
  }
  if (change.already_ended) {
    parts.push(`${count(change.already_ended)} had already ended`);
  }
  if (change.failed) {
    parts.push(`${count(change.failed)} failed`);
  }
  return parts.length === 0 ? words(change.what) : parts.join(", ");
}

function Followed({ tasks }: { tasks: string[] }) {
  return (
    <section aria-label="Branch" className="ac-section">
      <h3>Branch</h3>
      <p>{tasks.length === 0 ? "No task follows." : `The Dag continues with ${tasks.join(", ")}.`}</p>
    </section>
  );
}

function Contacts({ contacts }: { contacts: Contact[] }) {
  return (
    <section aria-label={contacts.length === 1 ? "Contact" : "Contacts"} className="ac-section">
      <h3>{contacts.length === 1 ? "Contact" : many(contacts.length, "contact")}</h3>
      {contacts.map((contact) => (
        <ContactOf contact={contact} key={contact.contact_id} />
      ))}
    </section>
  );
}

function ContactOf({ contact }: { contact: Contact }) {
  const waits = contact.state === "open" && contact.connected_to_agent === null;
  return (
    <article className="ac-contact">
      <div className="ac-headline">
        <State state={contact.state} />
        <ContactId id={contact.contact_id} url={contact.url} />
      </div>
      <dl className="ac-figures">
        <Figure name="Created">{moment(contact.created)}</Figure>
        {contact.waited_seconds === null ? null : (
          <Figure name={waits ? "Waiting for" : "Waited"}>{duration(contact.waited_seconds)}</Figure>
        )}
        {contact.agent_id === null && !waits ? null : (
          <Figure more={contact.connected_to_agent === null ? undefined : moment(contact.connected_to_agent)} name="Taken by">
            {contact.agent_id ?? "nobody yet"}
          </Figure>
        )}
        {contact.queue_id === null ? null : <Figure name="Queue">{contact.queue_id}</Figure>}
        {contact.ended === null ? null : (
          <Figure
            more={contact.disconnect_reason === null ? undefined : words(contact.disconnect_reason).toLowerCase()}
            name="Ended"
          >
            {moment(contact.ended)}
          </Figure>
        )}
        {contact.handle_seconds === null ? null : <Figure name="Handled in">{duration(contact.handle_seconds)}</Figure>}
      </dl>
      {contact.chain.length < 2 ? null : (
        <div className="ac-chain">
          <span className="ac-muted">Transfers</span>
          <ol>
            {contact.chain.map((link) => (
              <li key={link.contact_id}>
                <ContactId id={link.contact_id} url={link.url} />
              </li>
            ))}
          </ol>
        </div>
      )}
    </article>
  );
}
