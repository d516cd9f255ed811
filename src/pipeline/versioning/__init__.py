"""The state of the working tree, by git and DVC."""
