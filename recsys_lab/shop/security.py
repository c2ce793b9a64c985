"""Who asks: a signed cookie for shoppers, a token for the shop's keepers; and the rules for every request and answer.

A cookie holds a random id and its signature, so nobody can be somebody else: what was signed with another secret is no
cookie. The signature is checked once for each text of a cookie, then remembered.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

from itsdangerous import BadSignature, Signer
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recsys_lab.shop.config import ConfigError
from recsys_lab.shop.problems import Problem, unexpected

COOKIE = "shopper"
LARGEST = 64 * 1024
"""The most bytes of a body."""
_AGE = 30 * 24 * 3600
_REMEMBERED, _LONGEST = 8192, 512
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
HEADERS = (
    (b"content-security-policy", _CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
PICTURE_CSP = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""For a drawing that is opened on its own: nothing in it runs."""


def kept_secret(name: str, folder: Path) -> str:
    """The secret of the environment's RECSYS_LAB_<NAME>, else the one in the folder, made at the first start.

    Raises `ConfigError` for one that is too short.
    """
    variable = f"RECSYS_LAB_{name.upper()}"
    held = os.environ.get(variable, "")
    source, path = variable, folder / name
    if not held:
        source = str(path)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # the shoppers' events will be in it
        _make_secret(path)
        path.chmod(0o600)
        held = path.read_text(encoding="utf-8").strip()
    if len(held) < 16:
        raise ConfigError(f"{source}: a {name} has 16 characters or more; give a longer one")
    return held


def _make_secret(path: Path) -> None:
    """A new secret, unless there is one: the file has all of it or is not there, whoever is killed meanwhile."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="ascii") as made:  # for this user's eyes alone
        made.write(secrets.token_urlsafe(32))
        made.flush()
        os.fsync(made.fileno())
        with suppress(FileExistsError):
            os.link(made.name, path)


class Cookies:
    """Signs and reads the cookie of shoppers."""

    def __init__(self, secret: str) -> None:
        self._signer = Signer(secret, salt="recsys-lab shopper", key_derivation="hmac", digest_method=hashlib.sha256)
        self._known: OrderedDict[bytes, str] = OrderedDict()  # header → shopper; only what was verified gets in

    def fresh(self) -> str:
        """Somebody new."""
        return secrets.token_urlsafe(18)

    def signed(self, shopper: str) -> str:
        """The cookie's value for a shopper."""
        return self._signer.sign(shopper).decode("ascii")

    def shopper(self, header: bytes) -> str | None:
        """Who sends this Cookie header; None for nobody, and for a cookie that is not ours."""
        known = self._known.get(header)
        if known is not None:
            return known
        for one in header.split(b";"):
            name, _, value = one.strip().partition(b"=")
            if name == COOKIE.encode():
                return self._verified(header, value)
        return None

    def _verified(self, header: bytes, value: bytes) -> str | None:
        try:
            shopper: str = self._signer.unsign(value.strip(b'"')).decode("ascii")
        except (BadSignature, UnicodeDecodeError):
            return None
        if len(header) <= _LONGEST:
            self._known[header] = shopper
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return shopper


class Keepers:
    """Who holds the token may change products, train, and look at stored shoppers."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def check(self, scope: Scope) -> None:
        """Raises a `Problem` for a request without the token; the time it takes says nothing about it."""
        sent = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        kind, _, given = sent.partition(b" ")
        right = secrets.compare_digest(hashlib.sha256(given.strip()).digest(), hashlib.sha256(self._token).digest())
        if kind.lower() != b"bearer" or not right:
            raise Problem(
                401, "this needs the shop's token: Authorization: Bearer TOKEN", headers={"WWW-Authenticate": "Bearer"}
            )


class Guard:
    """Around every request: no body that is too large, headers on every answer, a cookie for who is new, no traceback.

    Pure ASGI: what runs for each request is a few lookups. `scope["visitor"]` knows the shopper, if somebody asks.
    """

    def __init__(self, app: ASGIApp, cookies: Cookies) -> None:
        self.app, self.cookies = app, cookies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        visitor = scope["visitor"] = Visitor(scope, self.cookies)
        begun = False

        async def with_headers(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                _add_headers(message, visitor.to_set)
            await send(message)

        try:
            await self.app(scope, receive, with_headers)
        except Exception as error:
            problem = unexpected(error, getattr(scope.get("route"), "path", "a request"))
            if begun:
                raise
            await problem.response()(scope, receive, with_headers)


def _add_headers(message: Message, cookie: str | None) -> None:
    headers = message["headers"] = [*message["headers"]]
    names = {name for name, _ in headers}
    headers += [one for one in HEADERS if one[0] not in names]
    if b"cache-control" not in names:
        headers.append((b"cache-control", b"no-store"))
    if cookie is not None:
        headers.append((b"set-cookie", cookie.encode("ascii")))


class Visitor:
    """The shopper behind a request; somebody new is made up when their id is asked for, and gets a cookie."""

    __slots__ = ("_cookies", "_scope", "_shopper", "to_set")

    def __init__(self, scope: Scope, cookies: Cookies) -> None:
        self._scope, self._cookies = scope, cookies
        self._shopper: str | None = None
        self.to_set: str | None = None

    @property
    def shopper(self) -> str:
        """Their id."""
        if self._shopper is None:
            header = b"; ".join([value for name, value in self._scope["headers"] if name == b"cookie"])
            self._shopper = self._cookies.shopper(header) if header else None
        if self._shopper is None:
            self._shopper = self._cookies.fresh()
            self._set(self._cookies.signed(self._shopper), _AGE)
        return self._shopper

    def forget(self) -> None:
        """Take the cookie back: the next request comes from somebody new."""
        self._set("", 0)

    def _set(self, value: str, age: int) -> None:
        secure = "; Secure" if self._scope.get("scheme") == "https" else ""
        self.to_set = f"{COOKIE}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}"
