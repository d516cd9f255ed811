"""The first admin and the key of the prediction service, created at the first start."""

import logging
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from data_api.auth.passwords import Passwords
from data_api.crud import api_keys, users
from data_api.database import advisory_lock
from data_api.models import RetiredKey, Role, User
from data_api.settings import DEVELOPMENT, Settings
from service_kit.api_keys import digest
from service_kit.errors import SettingsInvalid

SERVICE, KEY = "prediction-service", "first"
logger = logging.getLogger(__name__)


def ensure(session: Session, settings: Settings, passwords: Passwords) -> None:
    """Creates the admin and the key if they are missing, and outside development disables development's secrets.

    An admin is created only if there is none. A key that was revoked, or deleted with its user, is not created again. If the
    key in the environment changes, the old one stays valid until it is revoked. Raises SettingsInvalid.
    """
    advisory_lock.acquire(session)
    now = datetime.now(UTC)
    if settings.environment != "development":
        if not users.list_all(session):
            _refuse_missing(settings)
        _disable_development_secrets(session, settings, passwords, now)
    _ensure_admin(session, settings, passwords, now)
    _ensure_key(session, settings, now)


def _refuse_missing(settings: Settings) -> None:
    missing = [name.upper() for name in ("first_admin_password", "first_service_key") if settings.secret(name) is None]
    if missing:
        raise SettingsInvalid(
            f"ENVIRONMENT={settings.environment} with an empty database requires {' and '.join(missing)}, so that "
            "somebody may call; not set. `python -m data_api secret` makes one."
        )


def _disable_development_secrets(session: Session, settings: Settings, passwords: Passwords, now: datetime) -> None:
    """Revokes the key, and replaces the passwords, that everybody can read in the source."""
    key = api_keys.get_by_digest(session, digest(DEVELOPMENT["first_service_key"]))
    if key and key.revoked_at is None:
        api_keys.revoke(session, key, now)
        logger.warning("the service key of development, which everybody can read in the source, is revoked")
    for admin in users.list_admins(session):
        if admin.password_hash and passwords.verify(admin.password_hash, DEVELOPMENT["first_admin_password"]):
            password = settings.secret("first_admin_password")
            if password is None:
                raise SettingsInvalid(
                    f"ENVIRONMENT={settings.environment} allows no password of development; the admin {admin.name!r} "
                    "has it. Set FIRST_ADMIN_PASSWORD, which becomes theirs. `python -m data_api secret` makes one."
                )
            users.update(session, admin, None, passwords.hash(password), now)
            extra = {"user": admin.name}
            logger.warning(
                "the password of an admin was the one of development, and is FIRST_ADMIN_PASSWORD now", extra=extra
            )


def _ensure_admin(session: Session, settings: Settings, passwords: Passwords, now: datetime) -> None:
    password = settings.secret("first_admin_password")
    if users.list_admins(session):
        if settings.first_admin_password:
            logger.info("there is an admin already: FIRST_ADMIN_PASSWORD is not used")
    elif password is None:
        logger.warning("there is no admin: set FIRST_ADMIN_PASSWORD, and start again")
    elif users.get_like(session, settings.first_admin):
        logger.warning("there is no admin, and FIRST_ADMIN is the name of another user: set it to another name")
    else:
        users.create(session, settings.first_admin, Role.ADMIN, passwords.hash(password), now)
        logger.info("the first admin is created", extra={"user": settings.first_admin})


def _ensure_key(session: Session, settings: Settings, now: datetime) -> None:
    key = settings.secret("first_service_key")
    if key is None:
        return
    key_digest = digest(key)
    existing = api_keys.get_by_digest(session, key_digest)
    owner = users.get(session, existing.user_id) if existing else users.get_like(session, SERVICE)
    if owner and owner.role != Role.SERVICE:
        _refuse_owner(settings, owner)
    elif existing and existing.revoked_at:
        logger.warning("FIRST_SERVICE_KEY was revoked and is not accepted: set another one")
    elif session.get(RetiredKey, key_digest):
        logger.warning("FIRST_SERVICE_KEY was deleted with its user and is not accepted: set another one")
    elif existing is None:
        owner = owner or users.create(session, SERVICE, Role.SERVICE, None, now)
        api_keys.create(session, owner.user_id, f"{KEY}-{key_digest[:12]}", key_digest, now)
        logger.info("the key of the prediction service is created", extra={"user": SERVICE})


def _refuse_owner(settings: Settings, owner: User) -> None:
    """Raises SettingsInvalid, or only logs a warning for the development key, which cannot be left out."""
    message = (
        f"FIRST_SERVICE_KEY should be the key of a user with the role service; {owner.name!r} has the role {owner.role}. "
        "Leave it empty, or give the user that role."
    )
    if settings.first_service_key:
        raise SettingsInvalid(message)
    logger.warning(message)
