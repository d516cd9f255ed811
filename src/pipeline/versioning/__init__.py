"""What git and DVC say of the working tree."""
