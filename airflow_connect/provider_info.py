"""What Airflow asks a provider about itself (entry point ``apache_airflow_provider``)."""

from __future__ import annotations

from typing import Any

__all__ = ["get_provider_info"]


_ASSET_URIS = {
    "schemes": ["amazonconnect"],
    "handler": "airflow_connect.assets.connect.sanitize_uri",
    "factory": "airflow_connect.assets.connect.create_asset",
    "to_openlineage_converter": "airflow_connect.assets.connect.convert_asset_to_openlineage",
}


def get_provider_info() -> dict[str, Any]:
    """
    Return the provider's description.

    https://airflow.apache.org/docs/apache-airflow-providers/howto/create-custom-providers.html
    """
    integration = "Amazon Connect"
    return {
        "package-name": "airflow-provider-amazon-connect",
        "name": "Amazon Connect",
        "description": "`Amazon Connect <https://aws.amazon.com/connect/>`__: rows become contacts, once each.",
        "integrations": [
            {
                "integration-name": integration,
                "external-doc-url": "https://docs.aws.amazon.com/connect/latest/APIReference/API_CreateContact.html",
                "tags": ["aws"],
            }
        ],
        "hooks": [{"integration-name": integration, "python-modules": ["airflow_connect.hooks.connect"]}],
        "operators": [
            {
                "integration-name": integration,
                "python-modules": ["airflow_connect.operators.bulk", "airflow_connect.operators.connect"],
            }
        ],
        # Airflow 2 calls an asset a dataset, and knows neither key of the other.
        "asset-uris": [_ASSET_URIS],
        "dataset-uris": [_ASSET_URIS],
        "notifications": ["airflow_connect.notifications.connect.ContactNotifier"],
        "sensors": [{"integration-name": integration, "python-modules": ["airflow_connect.sensors.connect"]}],
        "triggers": [{"integration-name": integration, "python-modules": ["airflow_connect.triggers.connect"]}],
        "task-decorators": [
            {"name": "create_contact", "class-name": "airflow_connect.decorators.connect.create_contact_task"}
        ],
        "config": {
            "amazon_connect": {
                "description": "Options of the provider for Amazon Connect.",
                "options": {
                    "results_path": {
                        "description": (
                            "Folder below which bulk tasks and sensors record their results, unless they name one: "
                            "local, or of any storage that Airflow knows, as in s3://conn_id@bucket/contacts. A retry "
                            "on another worker sees it only where all workers can, and tasks that use one quota share "
                            "it equally where they see each other there. Default: a folder below AIRFLOW_HOME."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "s3://aws_default@my-bucket/contacts",
                        "default": "",
                    },
                    "require_shared_results": {
                        "description": (
                            "Fail a task that creates contacts before it sends anything if it would record its results "
                            "on the worker's disk, and not in an object store. Switch it on where tasks run on several "
                            "workers: a retry on another worker does not find such results, and creates a second "
                            "contact for each client token that Amazon Connect has forgotten. A file system that all "
                            "workers mount counts as a disk."
                        ),
                        "version_added": "0.1.0",
                        "type": "boolean",
                        "example": "True",
                        "default": "False",
                    },
                    "show_keys": {
                        "description": (
                            "Show the rows' idempotency keys in the Contacts tab, search and sort by them. A key may "
                            "name a customer; those who may read the Dag see it then."
                        ),
                        "version_added": "0.1.0",
                        "type": "boolean",
                        "example": "True",
                        "default": "False",
                    },
                    "decision_attribute": {
                        "description": (
                            "The contact attribute in which people write what they decided. The Contacts tab counts "
                            "its values where a ContactSensor has recorded it (attributes=)."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "decision",
                        "default": "decision",
                    },
                    "decisions": {
                        "description": (
                            "The values of decision_attribute that the Contacts tab names, separated by commas; case "
                            "does not count. Any other value is a customer's: it is counted as other and not shown."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "approve, refuse, ask the supervisor",
                        "default": "approve, refuse",
                    },
                },
            }
        },
        "extra-links": ["airflow_connect.links.connect.ContactLink", "airflow_connect.links.connect.InstanceLink"],
    }
