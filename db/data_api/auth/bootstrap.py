"""Who may call at the very beginning: the first admin, once, and the key of the prediction service."""

import logging
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from data_api.auth.passwords import Passwords
from data_api.crud import api_keys, users
from data_api.database import advisory_lock
from data_api.logs import LOGGER
from data_api.models import Role, User
from data_api.settings import DEVELOPMENT, Settings
from service_kit.api_keys import digest
from service_kit.errors import SettingsInvalid

SERVICE, KEY = "prediction-service", "first"
logger = logging.getLogger(LOGGER)


def ensure(session: Session, settings: Settings, passwords: Passwords) -> None:
    """Makes them where they are missing, and outside development ends what development left. One at a time.

    An admin is made only while there is none. A key that was revoked, or went with its user, does not come back; one that
    changed in the environment is made beside the old one, which goes on until it is revoked. Raises SettingsInvalid.
    """
    advisory_lock.hold(session)
    now = datetime.now(UTC)
    if settings.environment != "development":
        if not users.anybody(session):
            _refuse_missing(settings)
        _end_development(session, settings, passwords, now)
    _ensure_admin(session, settings, passwords, now)
    _ensure_key(session, settings, now)


def _refuse_missing(settings: Settings) -> None:
    missing = [name.upper() for name in ("first_admin_password", "first_service_key") if settings.secret(name) is None]
    if missing:
        raise SettingsInvalid(
            f"ENVIRONMENT={settings.environment} with an empty database wants {' and '.join(missing)}, so that somebody may "
            "call; not set. `python -m data_api secret` makes one."
        )


def _end_development(session: Session, settings: Settings, passwords: Passwords, now: datetime) -> None:
    """Ends the key and the passwords that everybody can read in the source."""
    key = api_keys.by_digest(session, digest(DEVELOPMENT["first_service_key"]))
    if key and key.revoked_at is None:
        api_keys.revoke(session, key, now)
        logger.warning("the service key of development, which everybody can read in the source, is revoked")
    for admin in users.admins(session):
        if admin.password_hash and passwords.verify(admin.password_hash, DEVELOPMENT["first_admin_password"]):
            password = settings.secret("first_admin_password")
            if password is None:
                raise SettingsInvalid(
                    f"ENVIRONMENT={settings.environment} wants no password of development; the admin {admin.name!r} has it. "
                    "Set FIRST_ADMIN_PASSWORD, which becomes theirs. `python -m data_api secret` makes one."
                )
            users.change(session, admin, None, passwords.hash(password), now)
            extra = {"user": admin.name}
            logger.warning("an admin had the password of development, and has FIRST_ADMIN_PASSWORD now", extra=extra)


def _ensure_admin(session: Session, settings: Settings, passwords: Passwords, now: datetime) -> None:
    password = settings.secret("first_admin_password")
    if users.admins(session):
        if settings.first_admin_password:
            logger.info("there is an admin: FIRST_ADMIN_PASSWORD makes no other and changes no password")
    elif password is None:
        logger.warning("there is no admin: set FIRST_ADMIN_PASSWORD, and start again")
    elif users.by_name(session, settings.first_admin):
        logger.warning("there is no admin, and FIRST_ADMIN is the name of another user: set it to another name")
    else:
        users.create(session, settings.first_admin, Role.ADMIN, passwords.hash(password), now)
        logger.info("the first admin is made", extra={"user": settings.first_admin})


def _ensure_key(session: Session, settings: Settings, now: datetime) -> None:
    key = settings.secret("first_service_key")
    if key is None:
        return
    key_digest = digest(key)
    known = api_keys.by_digest(session, key_digest)
    owner = users.by_id(session, known.user_id) if known else users.by_name(session, SERVICE)
    if owner and owner.role != Role.SERVICE:
        _refuse_owner(settings, owner)
    elif known and known.revoked_at:
        logger.warning("FIRST_SERVICE_KEY was revoked and opens nothing: set another")
    elif api_keys.retired(session, key_digest):
        logger.warning("FIRST_SERVICE_KEY went with its user and opens nothing: set another")
    elif known is None:
        owner = owner or users.create(session, SERVICE, Role.SERVICE, None, now)
        api_keys.create(session, owner.user_id, f"{KEY}-{key_digest[:12]}", key_digest, now)
        logger.info("the key of the prediction service is made", extra={"user": SERVICE})


def _refuse_owner(settings: Settings, owner: User) -> None:
    """Raises SettingsInvalid; of development's key, which cannot be left out, it is said in the log."""
    said = (
        f"FIRST_SERVICE_KEY should be the key of a user with the role service; {owner.name!r} has the role {owner.role}. "
        "Leave it empty, or give the user that role."
    )
    if settings.first_service_key:
        raise SettingsInvalid(said)
    logger.warning(said)
