"""The Contacts tab of Airflow's UI (3.1 and later)."""
