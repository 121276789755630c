"""The hook for Amazon Connect."""
