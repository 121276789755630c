"""
The Contacts tab's API as Airflow mounts it: who sees what, and that it is what happened.

Its pages are looked at in a browser by tests/browser; what its index does is tested in tests/record/test_index.py.
"""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from airflow_connect._compat import UI_HAS_TABS
from tests.airflow.runs import new_dag, xcom

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from airflow_connect.emulator.server import Emulator

#: Users, and the team whose Dags they may read; root reads all.
USERS: Final = {"ann": "red", "bob": "blue", "root": None}
#: What a customer's row holds, which no answer may.
SECRET: Final = "Frank Miller, +1 555 0100"
#: A key that would be a script in a page, and a formula in a spreadsheet.
KEY: Final = "=<script>alert(1)</script>"

needs_tabs = pytest.mark.skipif(not UI_HAS_TABS, reason="Airflow before 3.1 has no tabs of plugins")


class Somebody:
    """
    A browser of somebody who has logged in, or has not.

    :param client: of the whole API server
    :param token: of the user, ``None`` for nobody
    """

    def __init__(self, client: Any, token: str | None) -> None:
        self._client = client
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    def ask(self, path: str, method: str = "GET", **params: Any) -> Any:
        """Return the answer to a request below the plugin's address."""
        return self._client.request(
            method, f"/amazon-connect/{path}", params=params or None, headers=self._headers, follow_redirects=False
        )

    def get(self, path: str, **params: Any) -> Any:
        """Return the JSON of an answer."""
        answer = self.ask(path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()


def users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let Airflow have users of two teams, by its own auth manager: since Airflow 3.2 that knows teams."""
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    has_teams = hasattr(SimpleAuthManagerUser(username="somebody", role="viewer"), "teams")
    passwords = tmp_path / "passwords.json"
    passwords.write_text(json.dumps(dict.fromkeys(USERS, "secret")))
    listed = [f"{name}:{f'viewer:{team}' if team else 'admin'}" for name, team in USERS.items()]
    if has_teams:
        _teams()
        monkeypatch.setenv("AIRFLOW__CORE__MULTI_TEAM", "True")
    else:
        listed = [one.rpartition(":")[0] if one.count(":") == 2 else one for one in listed]
        monkeypatch.setenv("AIRFLOW__CORE__AUTH_MANAGER", "tests.airflow.teams.TeamsAuthManager")
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "a secret of these tests " * 4)
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", ",".join(listed))
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", str(passwords))


def _teams() -> None:
    """Give each Dag that is named after a team to that team."""
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.team import Team
    from airflow.utils.session import create_session

    with create_session() as session:
        for name in filter(None, USERS.values()):
            # What registers another Dag takes from a bundle the team that no configuration gives it.
            bundle = session.get(DagBundleModel, name) or DagBundleModel(name=name)
            team = session.get(Team, name) or Team(name=name)
            session.add_all([bundle, team])
            session.flush()
            bundle.teams[:] = [team]
            for dag in session.query(DagModel).filter(DagModel.dag_id.startswith(f"{name}_")):
                dag.bundle_name = name


@pytest.fixture
def somebody(
    airflow_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str | None], Somebody]]:
    """A function that lets somebody log in to Airflow's API server, which starts when it is called first."""
    from airflow.api_fastapi import app
    from starlette.testclient import TestClient

    from airflow_connect.plugins.contacts import ContactsPlugin

    clients: list[Any] = []

    def log_in(name: str | None) -> Somebody:
        if not clients:
            users(monkeypatch, tmp_path)
            app.purge_cached_app()
            ContactsPlugin.fastapi_apps[0]["app"]._app = None  # it reads its options when it is made
            clients.append(TestClient(app.create_app(apps="core")).__enter__())
        token = None
        if name is not None:
            answer = clients[0].post("/auth/token", json={"username": name, "password": "secret"})
            token = answer.json()["access_token"]
        return Somebody(clients[0], token)

    yield log_in
    for client in clients:
        client.__exit__(None, None, None)
    app.purge_cached_app()


def bulk(**arguments: Any) -> Any:
    """Return a task with thirty rows, of which one is invalid."""
    from airflow_connect.operators.bulk import BulkCreateContactsOperator

    rows = [{"n": n, "note": SECRET if n else "x" * 5_000, "key": KEY if n == 3 else f"order-{n}"} for n in range(30)]
    return BulkCreateContactsOperator(
        task_id="call",
        rows=rows,
        contact={"channel": "TASK", "name": "Order {{ row.n }}", "description": "{{ row.note }}"},
        idempotency_key="{{ row.key }}",
        on_invalid="skip",
        **arguments,
    )


@needs_tabs
def test_every_route_is_shut(run_dag: Callable[..., Any], somebody: Callable[[str | None], Somebody]) -> None:
    """
    Whatever route of the mounted app: 401 for nobody, and 403 without a byte of content for another team's user.

    The routes are those that the app has, so that one which is added later is asked as well.
    """
    from fastapi.routing import APIRoute

    from airflow_connect.plugins.contacts import ContactsPlugin

    with new_dag("red_shut") as dag:
        bulk()
    run = run_dag(dag)
    with new_dag("blue_shut") as dag:
        bulk()
    run_dag(dag)
    ann, bob, nobody = somebody("ann"), somebody("bob"), somebody(None)
    app = ContactsPlugin.fastapi_apps[0]["app"].app
    values = {"dag_id": "red_shut", "run_id": run.run_id, "task_id": "call", "map_index": "-1", "name": "contacts.js"}
    # What else may be mounted in it, such as files, would have no guard.
    routes = {type(route) for route in app.routes}
    assert routes == {APIRoute}
    paths = [route.path.replace("{path:path}", "{path}") for route in app.routes]
    assert sum("{dag_id}" in path for path in paths) >= 5
    for path in paths:
        asked = path.format(**values, path="anything/else").lstrip("/")
        refused = nobody.ask(asked)
        assert (refused.status_code, refused.json()) == (401, {"detail": "Not authenticated"}), asked
        if "{dag_id}" not in path:
            continue
        assert ann.ask(asked).status_code == 200, asked
        refused = bob.ask(asked)
        assert (refused.status_code, refused.json()) == (403, {"detail": "Forbidden"}), asked
        # Nobody learns whether there is such a Dag, run or task.
        for other in (
            {"dag_id": "no_such_dag"},
            {"run_id": "no such run"},
            {"task_id": "none", "map_index": "x"},
            {"dag_id": "~"},
        ):
            answer = bob.ask(path.format(**values | other).lstrip("/"))
            assert (answer.status_code, answer.content) == (403, refused.content), other
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert ann.ask(asked, method).status_code in (404, 405), (method, asked)


@needs_tabs
def test_paths_lead_nowhere_else(run_dag: Callable[..., Any], somebody: Callable[[str | None], Somebody]) -> None:
    """What comes from a request is joined to no path; documentation routes do not exist; headers are always there."""
    with new_dag("red_paths") as dag:
        bulk()
    run = run_dag(dag)
    ann = somebody("ann")
    for path in ("docs", "redoc", "openapi.json", "static/", "static/..%2fapp.py", "static/%2e%2e%2fcontacts.py"):
        assert ann.ask(path).status_code == 404, path
    task = f"api/dags/red_paths/runs/{run.run_id}/tasks"
    for path in ("../../etc/-1", "..%2f..%2fetc/-1", "%2fetc%2fpasswd/-1", "call%00/-1"):
        assert ann.ask(f"{task}/{path}").status_code in (403, 404), path
    for map_index in (-2, 2**31, 10**30):  # no column of a database takes all of them
        assert ann.ask(f"{task}/call/{map_index}/contacts").status_code == 422
    with new_dag("red_dry") as dag:
        bulk(dry_run=True)
    nothing = ann.ask(f"api/dags/red_dry/runs/{run_dag(dag).run_id}/tasks/call/-1/failed.csv")
    assert (nothing.status_code, nothing.json()) == (404, {"detail": "The task has no record."})
    for answer in (ann.ask("api/runs"), ann.ask("static/contacts.js"), somebody(None).ask("api/runs"), ann.ask("x")):
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert ann.ask("static/contacts.js").headers["content-type"].startswith("text/javascript")
    assert ann.ask("api/runs").headers["cache-control"] == "no-store"


@needs_tabs
def test_the_runs_that_somebody_may_read(
    run_dag: Callable[..., Any], somebody: Callable[[str | None], Somebody]
) -> None:
    """Each team sees its own runs with their counts, filtered to one Dag, and an admin those of both."""
    ids = {}
    for name in ("red_runs", "blue_runs"):
        with new_dag(name) as dag:
            bulk()
        ids[name] = run_dag(dag).run_id

    def seen(name: str, **params: Any) -> dict[str, Any]:
        runs = somebody(name).get("api/runs", limit=100, **params)["runs"]
        return {run["dag_id"]: run for run in runs if run["dag_id"].endswith("_runs")}

    found = seen("ann")
    assert set(found) == {"red_runs"}
    assert found["red_runs"]["run_id"] == ids["red_runs"]
    assert found["red_runs"]["counts"] == counts(rows=30, created=29, invalid=1)
    assert (found["red_runs"]["tasks"], found["red_runs"]["failed_tasks"]) == (1, 0)
    assert set(seen("bob")) == {"blue_runs"}
    assert set(seen("root")) == {"red_runs", "blue_runs"}
    assert set(seen("root", dag_id="blue_runs")) == {"blue_runs"}
    assert seen("ann", dag_id="blue_runs") == {}
    assert somebody("ann").ask("api/runs", days=0).status_code == 422


def counts(**given: int) -> dict[str, int]:
    """Return the counts of rows by state."""
    names = ("rows", "created", "already_created", "failed", "unknown", "invalid", "skipped", "not_sent")
    return {name: given.get(name, 0) for name in names}


@needs_tabs
def test_what_became_of_contacts(
    run_dag: Callable[..., Any],
    somebody: Callable[[str | None], Somebody],
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bulk task, who stopped its contacts and who waited for them, a contact by itself: and nothing of a customer."""
    from airflow_connect.operators.connect import CreateContactOperator, StopContactOperator
    from airflow_connect.sensors.connect import ContactSensor

    with new_dag("red_all") as dag:
        made = bulk()
        stop = StopContactOperator(task_id="stop", results=made.output)
        wait = ContactSensor(task_id="wait", results=made.output, attributes=["note"], poke_interval=1)
        one = CreateContactOperator(task_id="one", channel="TASK", name="One", attributes={"note": SECRET})
        stop_one = StopContactOperator(task_id="stop_one", contact_id=one.output)
        wait_one = ContactSensor(task_id="wait_one", contact_id=one.output, attributes="all", poke_interval=1)
        stop >> wait
        stop_one >> wait_one
    run = run_dag(dag)
    ann = somebody("ann")
    base = f"api/dags/red_all/runs/{run.run_id}"
    everything = ""

    def get(path: str, **params: Any) -> Any:
        nonlocal everything
        answer = ann.ask(path, **params)
        assert answer.status_code == 200, answer.text
        everything += answer.text
        return answer.json()

    tasks = {task["task_id"]: task for task in get(base)["tasks"]}
    kinds = {"call": "bulk", "stop": "change", "wait": "wait", "one": "single", "stop_one": "change"}
    assert {name: task["kind"] for name, task in tasks.items()} == kinds | {"wait_one": "wait"}
    assert tasks["call"]["counts"] == counts(rows=30, created=29, invalid=1)

    call = get(f"{base}/tasks/call/-1")
    assert (call["source"], call["notice"], call["refresh_seconds"]) == ("record", None, None)
    assert call["counts"] == counts(rows=30, created=29, invalid=1)
    assert (call["progress"]["done"], call["progress"]["total"], call["progress"]["phase"]) == (30, 30, "ended")
    assert call["outcomes"]["states"]["stopped"] == call["outcomes"]["contacts"] == 29
    assert call["outcomes"]["open"] == 0
    [change] = call["changes"]
    assert (change["task_id"], change["what"], change["done"], change["contacts"]) == ("stop", "stopped", 29, 29)

    waited = get(f"{base}/tasks/wait/-1")
    assert (waited["kind"], waited["source"], waited["outcomes"]["states"]["stopped"]) == ("wait", "record", 29)

    [contact] = get(f"{base}/tasks/one/-1")["contacts"]
    assert contact["contact_id"] == xcom(run, "one")
    assert (contact["state"], contact["disconnect_reason"]) == ("stopped", "API")
    assert contact["url"] == f"{emulator.url}/contact-trace-records/details/{contact['contact_id']}"
    assert [link["contact_id"] for link in contact["chain"]] == [contact["contact_id"]]

    page = get(f"{base}/tasks/call/-1/contacts", limit=3)
    assert (page["total"], page["matching"], page["show_keys"]) == (30, 30, False)
    assert [(row["row"], row["state"], row["outcome"]) for row in page["rows"]] == [
        (1, "invalid", None),
        (2, "created", "stopped"),
        (3, "created", "stopped"),
    ]
    assert page["rows"][1]["url"].endswith(page["rows"][1]["contact_id"])
    assert page["rows"][0]["error"].startswith("row 1, description:")
    wanted = page["rows"][2]["contact_id"]
    found = get(f"{base}/tasks/call/-1/contacts", q=wanted)
    assert [row["row"] for row in found["rows"]] == [3]
    assert get(f"{base}/tasks/call/-1/contacts", state="failed,unknown")["rows"] == []
    last = get(f"{base}/tasks/call/-1/contacts", outcome="stopped", sort="row", order="desc", limit=1, offset=1)
    assert [row["row"] for row in last["rows"]] == [29]
    assert ann.ask(f"{base}/tasks/call/-1/contacts", sort="key").status_code == 422
    assert get(f"{base}/tasks/call/-1/contacts", q=KEY)["matching"] == 0

    assert SECRET not in everything
    assert "order-" not in everything
    assert "<script" not in everything


@needs_tabs
def test_keys_and_the_download(
    run_dag: Callable[..., Any], somebody: Callable[[str | None], Somebody], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys are shown where the deployment says so, and no cell of the download is a formula."""
    monkeypatch.setenv("AIRFLOW__AMAZON_CONNECT__SHOW_KEYS", "True")
    with new_dag("red_keys") as dag:
        bulk()
    run = run_dag(dag)
    ann = somebody("ann")
    base = f"api/dags/red_keys/runs/{run.run_id}/tasks/call/-1"
    assert [row["key"] for row in ann.get(f"{base}/contacts", q=KEY)["rows"]] == [KEY]
    assert ann.get(f"{base}/contacts", sort="key", limit=1)["rows"][0]["key"] == KEY
    answer = ann.ask(f"{base}/failed.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"].startswith("attachment;")
    [row] = csv.DictReader(io.StringIO(answer.text))
    assert (row["row"], row["state"], row["key"]) == ("1", "invalid", "")


@needs_tabs
def test_a_record_that_the_api_server_cannot_read(
    run_dag: Callable[..., Any], somebody: Callable[[str | None], Somebody], tmp_path: Path
) -> None:
    """What Airflow knows is shown, with what to set; a path that leads elsewhere is not followed."""
    from airflow_connect.operators.bulk import BulkCreateContactsOperator

    with new_dag("red_elsewhere") as dag:
        bulk(results_path=str(tmp_path / "worker"))
    run = run_dag(dag)
    (tmp_path / "worker").rename(tmp_path / "gone")
    ann = somebody("ann")
    base = f"api/dags/red_elsewhere/runs/{run.run_id}/tasks/call/-1"
    shown = ann.get(base)
    assert shown["counts"] == counts(rows=30, created=29, invalid=1)
    assert shown["source"] in ("task_state", "xcom")
    assert "results_path" in shown["notice"]
    assert shown["has_contacts"] is False
    page = ann.get(f"{base}/contacts")
    assert (page["source"], page["rows"], page["total"]) == ("none", [], 0)
    assert ann.ask(f"{base}/failed.csv").status_code == 404
    assert BulkCreateContactsOperator.__name__ == shown["operator"]


@pytest.mark.skipif(UI_HAS_TABS, reason="Airflow 3.1 and later have tabs of plugins")
def test_older_airflow_gets_nothing() -> None:
    """On Airflow 2.11 and 3.0 the plugin registers nothing, and raises nothing."""
    from airflow_connect.plugins.contacts import ContactsPlugin

    assert (ContactsPlugin.fastapi_apps, ContactsPlugin.react_apps) == ([], [])


def test_plugin_is_installed() -> None:
    """Airflow finds the plugin by its entry point, and takes each of its views."""
    from importlib.metadata import entry_points

    [found] = entry_points(group="airflow.plugins", name="amazon_connect")
    plugin = found.load()
    plugin.validate()
    routes = [view["url_route"] for view in plugin.react_apps]
    assert len(routes) == len(set(routes)) == (4 if UI_HAS_TABS else 0)
    for view in plugin.react_apps:
        # Without a host: it works behind any proxy, and browsers send their cookies.
        assert view["bundle_url"].startswith("/amazon-connect/static/contacts.js?v=")
