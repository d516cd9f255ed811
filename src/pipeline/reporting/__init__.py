"""The report and the model card that evaluate writes."""
