"""
The agent desk of the local Amazon Connect: pages on which a person takes contacts, reads and completes them.

    guard (Host, Origin, headers) ─► pages (routes) ─► board (what is shown) ─► templates
                                          └──────────► the service (what is done), by the same rules as the API

The pages are rendered here, and work without JavaScript; ``static/desk.js`` keeps an open page up to date. Nothing
runs and nothing is kept while no desk is open, and what the desk does is not a call of the API: it has no quota.
"""
