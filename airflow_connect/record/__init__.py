"""What became of contacts, on disk or in a store."""
