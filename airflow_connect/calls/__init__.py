"""When a call leaves, and whether it leaves again: no Airflow, no client."""
