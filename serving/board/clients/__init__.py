"""The services that the board asks, and the people who log in there."""
