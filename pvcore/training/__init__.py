"""From a specification and its rows to an adapter, the same bytes each time."""
