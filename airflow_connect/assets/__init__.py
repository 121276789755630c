"""Assets of Amazon Connect."""
