"""What can be wrong with the database: each error says what was wanted, what was found, what to do."""


class DataApiError(Exception):
    """One sentence for a person; a start or a command ends with it, without a traceback."""


class DatabaseAway(DataApiError):
    """The database does not answer now; it may later."""
