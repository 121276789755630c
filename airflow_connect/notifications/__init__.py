"""Notifiers for Amazon Connect."""
