"""The pages of the board for people: HTML that the server renders, which works without JavaScript."""
