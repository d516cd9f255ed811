"""Sends the rows of a file as events to the data service, whose log the board follows."""
