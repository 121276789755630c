// What Airflow's UI loads. It imports the bundle as a module, takes a component from globalThis, and gives it what the
// page's address names: nothing in the navigation, a Dag, a Dag run or a task instance.

import { useEffect, useRef } from "react";

import { RunView, RunsView } from "./runs";
import style from "./style.css";
import { TaskView } from "./task";

/** The name under which the plugin registers its views (airflow_connect/plugins/contacts.py). */
const NAME = "Contacts";

interface Place {
  dagId?: string;
  runId?: string;
  taskId?: string;
  mapIndex?: string;
}

// A sheet that a script makes is no inline style: a strict Content-Security-Policy lets it pass.
const sheet = new CSSStyleSheet();
sheet.replaceSync(style);
document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];

function ContactsPlugin({ dagId, runId, taskId, mapIndex }: Place) {
  const root = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const left = root.current?.getBoundingClientRect().left ?? 0;
    if (left > window.innerWidth / 2) {
      root.current?.scrollIntoView({ block: "nearest", inline: "start" });
    }
  }, []);
  return (
    <div className="amazon-connect" ref={root}>
      <View dagId={dagId} mapIndex={mapIndex} runId={runId} taskId={taskId} />
    </div>
  );
}

function View({ dagId, runId, taskId, mapIndex }: { [Name in keyof Place]: string | undefined }) {
  if (dagId === undefined || runId === undefined) {
    return <RunsView dagId={dagId} key={dagId ?? ""} />;
  }
  if (taskId === undefined) {
    return <RunView dagId={dagId} key={`${dagId} ${runId}`} runId={runId} />;
  }
  const index = Number.parseInt(mapIndex ?? "", 10);
  const where = { dagId, runId, taskId, mapIndex: Number.isNaN(index) ? -1 : index };
  return <TaskView key={JSON.stringify(where)} where={where} />;
}

// Airflow looks for a view's name, and then for AirflowPlugin, which other plugins overwrite. It runs the bundle once.
for (const name of [NAME, "AirflowPlugin"]) {
  Reflect.set(globalThis, name, ContactsPlugin);
}
