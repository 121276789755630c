"""
A person brings a list of customers, presses Trigger, checks it, and has a task created for each customer.

The rows are pasted, or stand in a file. The first run is a dry run, which reports every fault and creates nothing; the
real run has the same form with *Dry run* cleared. A customer gets one task in a campaign, however often it is run.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_connect.api.errors import InputError
from airflow_connect.operators.bulk import BulkCreateContactsOperator, FileRows, TextRows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

# Where named files are. People choose a folder, and never type a path. Put in yours.
FOLDERS = {
    "examples": str(Path(__file__).parent / "data"),
    "bucket": "s3://aws_default@contact-lists/incoming",
}

FORM = {
    # Airflow 2.11 closes all sections at first: what must be filled in stands outside of them.
    "dry_run": Param(
        True,
        title="Dry run",
        description="Check all rows, report every fault, create nothing. Switch it off for the real run.",
        type="boolean",
    ),
    "campaign": Param(  # without a default: it must be filled in
        title="Campaign",
        description="What this is for, in small letters, digits and hyphens: winter-2026. In one campaign each customer"
        " gets one task.",
        type="string",
        pattern="^[a-z0-9][a-z0-9-]{2,39}$",
    ),
    "rows": Param(
        None,
        title="Rows",
        description="Paste lines from a spreadsheet or a CSV file. The first line names the columns: customer, name,"
        " phone, and note if you have one. Airflow keeps and shows what you paste: for more than identifiers and"
        " phone numbers, name a file.",
        type=["null", "string"],
        format="multiline",
        maxLength=100_000,
        section="1 Rows to paste",
    ),
    "folder": Param(
        "examples",
        title="Folder",
        description="Where the file is.",
        type="string",
        enum=list(FOLDERS),
        values_display={"examples": "Examples of this Dag", "bucket": "Bucket of the contact center"},
        section="2 Or a file",
    ),
    "file": Param(
        None,
        title="File",
        description="The name of a file in this folder, without the folder, ending with .csv, .tsv or .jsonl:"
        " callbacks.csv. Leave it empty if you paste rows.",
        type=["null", "string"],
        pattern=r"^([A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*\.(csv|tsv|jsonl))?$",
        maxLength=100,
        examples=["callbacks.csv"],
        section="2 Or a file",
    ),
    "reason": Param(
        "callback",
        title="Reason",
        description="What the agent is to do.",
        type="string",
        enum=["callback", "offer", "survey"],
        values_display={
            "callback": "Call back",
            "offer": "Tell about an offer",
            "survey": "Ask for an opinion",
        },
        section="3 Tasks",
    ),
    "expires_after_hours": Param(
        72,
        title="Expires after",
        description="Hours after which nobody needs to call any more, 1 to 168.",
        type="integer",
        minimum=1,
        maximum=168,
        section="3 Tasks",
    ),
}


# [START howto_bulk_form_rows]
@dataclass(repr=False)
class FormRows:
    """The rows that somebody pasted, or those of the file that they named."""

    template_fields: ClassVar = ("pasted", "folder", "file")
    can_be_read_twice: ClassVar = True

    pasted: str = "{{ params.rows or '' }}"
    folder: str = "{{ params.folder }}"
    file: str = "{{ params.file or '' }}"

    def __str__(self) -> str:
        return "the rows of the form"

    def describe(self) -> str:
        """Return what Airflow's UI shows."""
        return str(self)

    def read(self) -> Iterator[tuple[int, Any]]:
        """Return the rows with their numbers."""
        return self._source().read()

    def read_requiring(self, columns: Collection[str]) -> Iterator[tuple[int, Any]]:
        """Return the rows with their numbers, if the header has the columns."""
        return self._source().read_requiring(columns)

    def _source(self) -> TextRows | FileRows:
        is_pasted, is_named = bool(self.pasted.strip()), bool(self.file.strip())
        if is_pasted and is_named:
            raise InputError("Rows and File are both filled in. Paste rows or name a file, and leave the other empty.")
        if is_pasted:
            return TextRows(self.pasted)
        if is_named:
            return FileRows(f"{FOLDERS[self.folder]}/{self.file}")
        raise InputError("Rows and File are both empty. Paste rows, or name a file.")


# [END howto_bulk_form_rows]


with DAG(
    "example_bulk_form",
    description="A task for each customer of a list that somebody pastes or names in the form that Trigger shows",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    params=FORM,
    tags=["example", "amazon-connect"],
):
    # [START howto_bulk_form]
    BulkCreateContactsOperator(
        task_id="create_tasks",
        rows=FormRows(),
        contact={
            "channel": "TASK",
            "name": "{{ params.reason | capitalize }}: {{ row.name }}",
            "description": "{{ row.note | default(None) }}",
            "attributes": {"campaign": "{{ params.campaign }}", "customer": "{{ row.customer }}"},
            "references": {"Phone": "{{ row.phone }}"},
            "expiry_duration_in_minutes": "{{ params.expires_after_hours * 60 }}",
        },
        idempotency_key="{{ params.campaign }}-{{ row.customer }}",
        dry_run="{{ params.dry_run }}",
        retries=2,
    )
    # [END howto_bulk_form]
