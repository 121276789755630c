"""Amazon Connect as data: no Airflow, no client, no files."""
