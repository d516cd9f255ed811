"""From raw tables to examples, one module per kind of data set."""
