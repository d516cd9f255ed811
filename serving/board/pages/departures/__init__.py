"""The first page: which subjects come next, with their predictions, reasons and outcomes."""
