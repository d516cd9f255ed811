"""Arrow IPC streams, the bodies of batches by columns: what a stream holds, and how one is written."""
