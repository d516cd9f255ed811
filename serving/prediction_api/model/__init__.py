"""The model that answers: its files, where they come from, and how they are replaced."""
