"""What the board follows: the event log, the source tables as it leaves them, official predictions and outcomes."""
