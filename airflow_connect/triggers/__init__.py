"""Triggers for Amazon Connect."""
