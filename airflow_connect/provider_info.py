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
                            "Folder in which bulk tasks and sensors record their results if they do not set "
                            "results_path: local, or of any storage that Airflow knows, such as "
                            "s3://conn_id@bucket/contacts. With several workers, set it to a bucket: a retry on "
                            "another worker finds the results there, and tasks share the account's quota equally. "
                            "Default: a folder below AIRFLOW_HOME."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "s3://aws_default@my-bucket/contacts",
                        "default": "",
                    },
                    "require_shared_results": {
                        "description": (
                            "Fail a task before it sends anything if it would record its results on a disk and not in "
                            "an object store. Switch it on if tasks run on several workers: a retry on another "
                            "worker does not find results on the first one's disk, and creates a second contact for "
                            "each client token that Amazon Connect has forgotten. A file system that all workers mount "
                            "(NFS) counts as a disk here."
                        ),
                        "version_added": "0.1.0",
                        "type": "boolean",
                        "example": "True",
                        "default": "False",
                    },
                    "show_keys": {
                        "description": (
                            "Show the idempotency keys of rows in the Contacts tab, and let people search and sort by "
                            "them. A key may name a customer, and all who may read the Dag see it then."
                        ),
                        "version_added": "0.1.0",
                        "type": "boolean",
                        "example": "True",
                        "default": "False",
                    },
                    "decision_attribute": {
                        "description": (
                            "The contact attribute that holds what people decided. The Contacts tab counts its values "
                            "if a ContactSensor has recorded the attribute (attributes=)."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "decision",
                        "default": "decision",
                    },
                    "decisions": {
                        "description": (
                            "The values of decision_attribute that the Contacts tab shows, separated by commas; case "
                            "does not count. Other values may be a customer's: they are counted as other and not shown."
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
