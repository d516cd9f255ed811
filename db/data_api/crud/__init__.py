"""The queries, one file per thing. Each takes a session and leaves committing to the edge."""
