"""Task decorators for Amazon Connect."""
