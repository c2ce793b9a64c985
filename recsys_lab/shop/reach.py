"""Whether a server answers: one that does not is left alone for a moment, so that requests stay fast."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from recsys_lab.shop.answers import Away

T = TypeVar("T")
R = TypeVar("R")

PAUSE = 0.5  # seconds in which a server that did not answer is not asked again
_SERVERS = ("ConnectionError", "TimeoutError", "OperationalError", "ResponseHandlingException")
_log = logging.getLogger("recsys_lab.shop")


class Reach(Generic[T]):
    """What is opened when it is first asked, and opened again after it was away.

    `failed` is told of each failure; `errors` are those that mean that it does not answer.
    """

    def __init__(
        self,
        what: str,
        open_: Callable[[], T],
        close: Callable[[T], None],
        errors: tuple[type[Exception], ...],
        failed: Callable[[str], None],
        pause: float = PAUSE,
    ) -> None:
        self.what, self._open, self._close, self._errors = what, open_, close, errors
        self._failed, self._pause = failed, pause
        self._lock, self._trying = threading.Lock(), threading.Lock()
        self._held: T | None = None
        self._not_before = 0.0
        self._why = ""

    @property
    def away(self) -> bool:
        """Whether the last question was not answered."""
        return bool(self._why)

    def ask(self, question: Callable[[T], R]) -> R:
        """The answer. Raises `Away` when there is none, at once while the last failure is fresh."""
        if self._why:
            return self._tried(question)
        try:
            return question(self.get())
        except self._errors as error:
            raise self._lost(error) from error

    def _tried(self, question: Callable[[T], R]) -> R:
        """After a failure: one asker at a time tries again, with a new connection, and nobody waits for that one."""
        if time.monotonic() < self._not_before or not self._trying.acquire(blocking=False):
            raise Away(self.what, self._why)
        try:
            old, self._held = self._held, None
            try:
                answer = question(self.get())
            except self._errors as error:
                raise self._lost(error) from error
            finally:
                if old is not None:
                    self._close(old)
            if self._why:
                self._why = ""
                _log.warning("the %s answers again", self.what)
            return answer
        finally:
            self._trying.release()

    def get(self) -> T:
        """What is asked, opened if it is not open. Raises as opening does."""
        held = self._held
        if held is not None:
            return held
        with self._lock:
            if self._held is None:
                self._held = self._open()
            return self._held

    def _lost(self, error: Exception) -> Away:
        first, self._why = not self._why, type(error).__name__
        self._not_before = time.monotonic() + self._pause
        self._failed(self.what)
        if first:  # once for each outage, and without the error's text, which may hold an address with its password
            _log.warning("the %s does not answer: %s", self.what, type(error).__name__)
        _log.debug("the %s: %s", self.what, error, exc_info=True)
        return Away(self.what, type(error).__name__)

    @property
    def held(self) -> T | None:
        """What is open, if it is."""
        return self._held


def quick(url: str) -> str:
    """A server's address with short timeouts: a shopper does not wait for one that hangs.

    >>> quick("redis://localhost/0"), quick("sqlite:///shop/live.db")
    ('redis://localhost/0?socket_timeout=3&socket_connect_timeout=1', 'sqlite:///shop/live.db')
    """
    if not url.startswith(("redis://", "rediss://", "unix://")) or "socket_timeout" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}socket_timeout=3&socket_connect_timeout=1"


def is_away(error: BaseException | None) -> bool:
    """Whether a server did not answer, by the names that clients give such errors."""
    while error is not None:
        names = {one.__name__ for one in type(error).__mro__}
        if names & set(_SERVERS):
            return True
        error = error.__cause__
    return False
