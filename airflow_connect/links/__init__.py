"""Links from Airflow to Amazon Connect."""
