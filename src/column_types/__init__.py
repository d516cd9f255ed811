"""What the values of a table mean, for all that read tables: `ingest`, `score` and the API of predictions."""
