"""What can stop the provisioner: each error says what was wanted, what was found, what to do."""


class ProvisionerError(Exception):
    """One sentence for a person, or a line for each fault; the run ends with it, without a traceback."""


class SettingsInvalid(ProvisionerError):
    """The environment holds a setting or a secret that cannot be used."""


class DeclarationInvalid(ProvisionerError):
    """A file declares something that cannot be; each line names a key."""


class ServerUnavailable(ProvisionerError):
    """Uptime Kuma does not answer, or stopped answering."""


class ServerRejected(ProvisionerError):
    """Uptime Kuma answers, and refuses what it is asked."""


class DuplicateName(ProvisionerError):
    """Uptime Kuma holds several monitors of one name; which of them is meant, nobody can tell."""
