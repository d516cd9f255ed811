"""Types of settings. They refuse values that would mean something else than they seem to, and show no secret."""

import re
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, AnyUrl, BeforeValidator, Field, HttpUrl, SecretStr, ValidationError

CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # the last are bytes that are not UTF-8
NOT_IN_A_HEADER = re.compile(r"[^!-~]")
TEXT = "text in UTF-8 without line breaks and other control characters"
WIDEST_PREFIXES = {4: 8, 6: 16}  # such as 10.0.0.0/8; no wider network is of proxies alone
UNIQUE_LOCAL = ip_network("fd00::/8")  # the private addresses of IPv6, as 10.0.0.0/8
ROOT_PATH = re.compile(r"(/\.?[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")
HEADER = "what a header can carry, which is visible characters of ASCII without spaces"


def weakness(secret: str | None, default: str, shortest: int) -> str | None:
    """Why a secret is too weak for production, as the rest of a sentence; None where it is not, or not set."""
    if secret == default:
        return "is the default of development"
    if secret is not None and len(secret) < shortest:
        return f"has {len(secret)} characters, and should have {shortest} or more"
    return None


def _refuse(pattern: re.Pattern[str], wanted: str, secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if match := pattern.search(text):
        raise ValueError(f"should hold {wanted}; its character {match.start() + 1} of {len(text)} is another one")
    return secret


def _proxies(text: str) -> str:
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            too_wide = part == "*" or _is_too_wide(ip_network(part))
        except ValueError:
            raise ValueError(
                f"should hold addresses or networks of proxies, such as 10.0.0.0/8, with commas; {part!r} is neither"
            ) from None
        if too_wide:
            raise ValueError(
                f"should name the proxies, by networks of /8 (IPv4) or /16 (IPv6) at the widest; {part} would let every "
                "caller in it choose the address that counts for it"
            )
    return text


def _is_too_wide(network: IPv4Network | IPv6Network) -> bool:
    return network.prefixlen < WIDEST_PREFIXES[network.version] and network.network_address not in UNIQUE_LOCAL


def _origins(text: str) -> str:
    for origin in filter(None, (part.strip() for part in text.split(","))):
        if origin == "*":
            continue
        if (sent := _as_browsers_send(origin)) != origin or "*" in origin:
            cure = f"write {sent}" if sent else "write it as https://app.example"
            if "*" in origin:
                cure = "write each origin in full, or * alone for all of them"
            raise ValueError(f"should hold origins as browsers send them, divided by commas; {origin!r} is none: {cure}")
    return text


def _as_browsers_send(origin: str) -> str | None:
    try:
        address = urlsplit(str(AnyUrl(origin)))
    except ValidationError:
        return None
    return f"{address.scheme}://{address.netloc.rpartition('@')[2]}"


def _root_path(text: str) -> str:
    if not ROOT_PATH.fullmatch(text):
        raise ValueError("should be a path such as /ontime, which neither ends in / nor has a part . or ..")
    return text


def _one_line(address: object) -> object:
    """Refuses what a URL's parser would take out of an address without a word."""
    if isinstance(address, str) and (CONTROL_CHARACTER.search(address) or address != address.strip()):
        raise ValueError("should be an address on one line, without blanks around it")
    return address


def _without_query(address: HttpUrl) -> HttpUrl:
    if address.query is not None or address.fragment is not None:
        raise ValueError("should be the address of a service, without ? and #, because paths are added to it")
    return address


Seconds = Annotated[float, Field(gt=0, le=86_400)]
Port = Annotated[int, Field(ge=0, le=65_535)]
SecretText = Annotated[SecretStr, AfterValidator(partial(_refuse, CONTROL_CHARACTER, TEXT))]
HeaderSecret = Annotated[SecretStr, AfterValidator(partial(_refuse, NOT_IN_A_HEADER, HEADER))]
Proxies = Annotated[str, AfterValidator(_proxies)]
Origins = Annotated[str, AfterValidator(_origins)]
RootPath = Annotated[str, AfterValidator(_root_path)]
WebAddress = Annotated[HttpUrl, BeforeValidator(_one_line)]
BaseAddress = Annotated[WebAddress, AfterValidator(_without_query)]  # to which the paths of a service are added
