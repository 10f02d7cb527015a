"""From an Authorization header to who is calling."""

import base64
import binascii
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from infra.hub.errors import ApiError, bad_credentials
from infra.hub.records import App, Installation, Token, User
from infra.hub.world import World

MAX_AHEAD = 600
SKEW = 10
_NOT_BY_ITS_OWN_CLOCK: Any = {
    "require": ["iat", "exp", "iss"],
    "verify_iss": False,
    "verify_iat": False,
    "verify_exp": False,
    "verify_nbf": False,
}


class Kind(StrEnum):
    ANONYMOUS = "anonymous"
    USER = "user"
    INSTALLATION = "installation"
    APP = "app"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls: for an installation `user` is the App's bot, and `token` says what it may do."""

    kind: Kind
    user: User | None = None
    app: App | None = None
    installation: Installation | None = None
    token: Token | None = None
    permissions: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        match self.kind:
            case Kind.USER | Kind.INSTALLATION if self.user is not None:
                return self.user.login
            case Kind.APP if self.app is not None:
                return f"app/{self.app.slug}"
            case _:
                return "anonymous"

    @property
    def app_id(self) -> int | None:
        return self.installation.app_id if self.installation is not None else None


ANONYMOUS = Principal(Kind.ANONYMOUS)


def authenticate(world: World, header: str | None) -> Principal:
    """Identify the caller. Raises ApiError 401 for credentials that are given and wrong."""
    if header is None:
        return ANONYMOUS
    scheme, _, value = header.partition(" ")
    match scheme.lower():
        case "bearer" | "token":
            return _by_token(world, value.strip())
        case "basic":
            return _by_token(world, _password(value))
        case _:
            raise bad_credentials()


def _password(value: str) -> str:
    try:
        name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise bad_credentials() from error
    return password if password not in ("", "x-oauth-basic") else name


def _by_token(world: World, value: str) -> Principal:
    if value.count(".") == 2 and not value.startswith("ghs_"):
        return Principal(Kind.APP, app=_verify_jwt(world, value))
    token = world.state.find(Token, value)
    # Keys are found without regard to case; a token is not.
    if token is None or token.token != value or (token.expires is not None and token.expires <= world.now()):
        raise bad_credentials()
    user = world.state.load(User, token.user_id)
    if token.installation_id is None:
        return Principal(Kind.USER, user=user, token=token)
    installation = world.state.get(Installation, token.installation_id)
    if installation is None:
        raise bad_credentials()
    if installation.suspended is not None:
        raise ApiError(403, "This installation has been suspended")
    return Principal(
        Kind.INSTALLATION, user=user, installation=installation, token=token, permissions=token.permissions
    )


@cache
def private_key(pem: str) -> RSAPrivateKey:
    key = load_pem_private_key(pem.encode(), None, unsafe_skip_rsa_key_validation=True)  # the hub made it itself
    assert isinstance(key, RSAPrivateKey)
    return key


@cache
def _public_key(pem: str) -> RSAPublicKey:
    return private_key(pem).public_key()


def _verify_jwt(world: World, value: str) -> App:
    app = _issuer(world, value)
    try:
        claims = jwt.decode(
            value,
            _public_key(world.app_key(app or world.app()).read_text()),
            ["RS256"],
            options=_NOT_BY_ITS_OWN_CLOCK,
        )
        issued, expires = float(claims["iat"]), float(claims["exp"])
    except (jwt.PyJWTError, TypeError, ValueError) as error:
        raise ApiError(401, "A JSON web token could not be decoded") from error
    _check_times(issued, expires, world.now())
    if app is None:
        raise ApiError(404, "Integration not found")
    return app


def _check_times(issued: float, expires: float, now: float) -> None:
    if issued > now:
        raise ApiError(
            401, "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
        )
    if expires <= now:
        raise ApiError(
            401,
            "'Expiration time' claim ('exp') must be a numeric value representing the future time "
            "at which the assertion expires",
        )
    if expires > now + MAX_AHEAD + SKEW:
        raise ApiError(401, "'Expiration time' claim ('exp') is too far in the future")


def _issuer(world: World, value: str) -> App | None:
    """Find the App that a JWT says it is from, before anything of it is believed."""
    try:
        said = str(jwt.decode(value, options={"verify_signature": False}).get("iss"))
    except jwt.PyJWTError:
        return None
    return next((app for app in world.state.rows(App) if said in (str(app.id), client_id(app))), None)


def client_id(app: App) -> str:
    return f"Iv23hub{app.id:013d}"
