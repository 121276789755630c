"""Operators for Amazon Connect."""
