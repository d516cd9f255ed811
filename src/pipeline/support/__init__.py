"""Console output of the commands: steps, tables, errors."""
