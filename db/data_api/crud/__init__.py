"""The queries, one file for each resource. Callers pass the session and commit."""
