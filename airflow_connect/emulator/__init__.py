"""
A local Amazon Connect, written from Amazon's documentation: for tests, demonstrations and development.

``python -m airflow_connect.emulator`` starts it; tests run :class:`airflow_connect.emulator.server.Emulator`.
It imports nothing else of ``airflow_connect`` and nothing of Airflow, so that it can disagree with them.
"""
