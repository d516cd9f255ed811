"""The errors that end the provisioner: each says what was wanted, what was found and what to do."""


class ProvisionerError(Exception):
    """One sentence, or a line for each problem; the run ends with it and shows no traceback."""


class SettingsInvalid(ProvisionerError):
    """The environment holds a setting or a secret that cannot be used."""


class DeclarationInvalid(ProvisionerError):
    """A file declares something invalid; each line names a key."""


class ServerUnavailable(ProvisionerError):
    """Uptime Kuma does not answer, or stopped answering."""


class ServerRejected(ProvisionerError):
    """Uptime Kuma answered that it refuses a request."""


class DuplicateName(ProvisionerError):
    """Uptime Kuma holds several monitors of one declared name, and any of them may be the one that is meant."""
