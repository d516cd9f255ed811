"""Works the features of stored predictions out again from the log, and compares."""
