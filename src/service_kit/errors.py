"""Failures that a service expects: each says what was wanted, what was found, what to do."""


class ServiceError(Exception):
    """One sentence for a person; a start or a command ends with it, without a traceback."""


class SettingsInvalid(ServiceError):
    """A setting of the environment that the service cannot use."""
