"""`make backtest`: period after period predicted by a model of the rows before it."""
