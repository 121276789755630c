"""
What every test has: an Airflow home and an AWS of its own, and the local Amazon Connect.

Imports no Airflow, so that the tests of the parts without Airflow run in milliseconds.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import random
import shutil
import sys
import tempfile
import uuid
from typing import TYPE_CHECKING, Any, Final

import botocore.loaders
import hypothesis
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_connect.emulator.server import Emulator
    from airflow_connect.testing import LocalConnect

pytest_plugins = ("airflow_connect.testing", "tests.chromium")

# A failed test prints the line that repeats it, also where it ran on another machine.
hypothesis.settings.register_profile("tests", deadline=None, print_blob=True)
hypothesis.settings.load_profile("tests")

#: Folders whose tests share something that costs more than a test: one process runs all of them, one after the other.
SHARING: Final = ("tests/airflow/running", "tests/airflow", "tests/browser")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a failed test be repeated with the seed that it named."""
    parser.addoption("--seed", type=int, help="the seed of tests that draw by chance; default: another one each time")


# Not the marker xdist_group: pytest-xdist 3.8 writes it into a node's ID, which pytest makes anew since 9.2.
@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give what shares an Airflow, its database or a browser to one process, other tests to the next that is free."""
    from xdist.scheduler import LoadScopeScheduling

    class Sharing(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            folder = nodeid.partition("::")[0].rpartition("/")[0]
            return folder if folder in SHARING else nodeid

    return Sharing(config, log)


def pytest_configure(config: pytest.Config) -> None:
    """Take the person's own Airflow and AWS out of the tests' reach, before anything reads them."""
    for name in [name for name in os.environ if name.startswith(("AIRFLOW", "AWS_"))]:
        if not name.startswith("AIRFLOW_CONNECT_"):  # the options of these tests
            del os.environ[name]
    home = tempfile.mkdtemp(prefix="airflow-home-")
    config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))
    os.environ |= {
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        # dag.test() waits for a retry: a task that fails is to be seen soon.
        "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "1",
        "AIRFLOW__CORE__DAGS_FOLDER": f"{home}/dags",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        # A call that misses its endpoint ends here and now, and not at Amazon with somebody's credentials.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@pytest.fixture(scope="session", autouse=True)
def _models_are_read_once() -> None:
    """Each hook makes a session of botocore's, which lists and reads the same files: most of a short test's time."""
    read = functools.cache(botocore.loaders.JSONFileLoader().load_file)
    botocore.loaders.JSONFileLoader.load_file = lambda _loader, path: read(path)
    services = functools.cache(botocore.loaders.Loader().list_available_services)
    botocore.loaders.Loader.list_available_services = lambda _loader, type_name: services(type_name)


@pytest.fixture(autouse=True)
def _hooks_search_no_caller() -> None:
    """A hook sends to Amazon which operator made it, and searches all modules for that: much of a short test's time."""
    if provider := sys.modules.get("airflow.providers.amazon.aws.hooks.base_aws"):
        provider.AwsGenericHook._get_caller = lambda _hook, *_: "Unknown"


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """A number to draw by chance from, another one in each run; if the test fails, it is printed with the traceback."""
    number: int = request.config.getoption("seed") or random.SystemRandom().randrange(1, 1_000_000)
    request.node.add_report_section("setup", "seed", f"Repeat it with: pytest --seed={number} '{request.node.nodeid}'")
    return number


@pytest.fixture(scope="session")
def _running_emulator(_amazon_connect_emulator: Emulator) -> Emulator:
    return _amazon_connect_emulator


@pytest.fixture
def emulator(amazon_connect: LocalConnect) -> Emulator:
    """A local Amazon Connect without contacts, quotas or faults; one process for the session, new for each test."""
    return amazon_connect.emulator


def aws_connection_json(emulator: Emulator) -> str:
    """Return an AWS connection of Airflow that leads to an emulator, as JSON."""
    from airflow_connect.testing import LocalConnect

    return json.dumps(LocalConnect(emulator).connection)


@pytest.fixture
def aws_connection(amazon_connect: LocalConnect) -> str:
    """The connection ``aws_default``, which leads to the emulator; the value is its connection ID."""
    return amazon_connect.conn_id


@pytest.fixture(scope="session")
def local_aws() -> Iterator[str]:
    """The URL of a local S3 and SQS (moto's server), one for the session: names are to be unique in it."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # else a line on stderr for every request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def local_aws_connection(local_aws: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The connection ``aws_local``, which leads to the local S3 and SQS; the value is its connection ID."""
    connection = {
        "conn_type": "aws",
        "login": "local",
        "password": "local",
        "extra": {"region_name": "us-east-1", "endpoint_url": local_aws},
    }
    monkeypatch.setenv("AIRFLOW_CONN_AWS_LOCAL", json.dumps(connection))
    return "aws_local"


@pytest.fixture
def bucket(local_aws_connection: str) -> str:
    """An empty bucket at the local S3, for this test alone; the value is its name."""
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    name = f"bucket-{uuid.uuid4().hex}"
    S3Hook(local_aws_connection).create_bucket(name)
    return name
