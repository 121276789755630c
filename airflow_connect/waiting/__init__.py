"""From contacts to their outcomes."""
