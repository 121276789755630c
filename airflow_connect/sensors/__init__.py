"""Sensors for Amazon Connect."""
