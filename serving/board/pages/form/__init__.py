"""A form made from the schema of the model."""
