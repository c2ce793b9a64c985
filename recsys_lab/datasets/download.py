"""Public files fetched once from their publisher, kept in a cache, and read without trusting them."""

from __future__ import annotations

import fnmatch
import logging
import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

from recsys_lab.datasets.events import DataError

if TYPE_CHECKING:
    import requests

CONNECT_SECONDS, READ_SECONDS = 5.0, 30.0
LARGEST_MEMBER = 200_000_000
"""The most bytes that one file inside a zip may hold once it is unpacked."""

_CHUNK = 1 << 13  # small: when a connection breaks off, the piece that was on its way is lost
_log = logging.getLogger(__name__)


class DataUnavailable(RuntimeError):
    """A log is neither here nor can it be fetched; the message says what was tried and the two ways out.

    It is a `RuntimeError` and no `DataError`: nothing is wrong with any data, this computer just cannot get at it now.
    Chapters catch it and show its text in place of the section that needs the log.
    """


@dataclass(frozen=True)
class Source:
    """Where a public log lies: at its publisher, in the cache, and below the folder of `RECSYS_LAB_DATA`.

    A checksum is a sha256 in hexadecimal; `sha256` is None where the publisher's file has none that is known.
    """

    title: str
    url: str
    file: str
    sha256: str | None
    local: str
    local_sha256: str


def cache_folder() -> Path:
    """The folder that keeps what was fetched: `RECSYS_LAB_CACHE`, else the system's place for caches."""
    named = os.environ.get("RECSYS_LAB_CACHE")
    if named:
        return Path(named).expanduser().absolute()
    import pooch

    return Path(pooch.os_cache("recsys-lab"))


def local_copy(source: Source) -> Path | None:
    """The log's copy below `RECSYS_LAB_DATA`, checked; None when that is not set or has no such file.

    The folder is only ever read. Raises `DataError` when the file there has another sha256.
    """
    folder = os.environ.get("RECSYS_LAB_DATA")
    if not folder:
        return None
    path = Path(folder).expanduser() / source.local
    if not path.is_file():
        return None
    if _sha256(path) != source.local_sha256:
        raise DataError(
            f"{path}: this is not the file that the course knows (its sha256 has to be {source.local_sha256}); "
            "copy it again, or unset RECSYS_LAB_DATA"
        )
    return path


def fetch(source: Source, progress: bool = True) -> Path:
    """The publisher's file in the cache, fetched if it is not there yet; an interrupted download is continued.

    `progress` draws a bar on stderr. Raises `DataUnavailable` when the publisher cannot be reached or the cache cannot
    be written, and `DataError` when what came is another file. After any failure the cache holds what it held before,
    at most with a `.part` file beside it from which the next try goes on.
    """
    import pooch
    import requests

    path = cache_folder() / source.file
    try:
        if not _whole(path, source.sha256):
            path.parent.mkdir(parents=True, exist_ok=True)
            with only_one(path), _quiet(pooch.get_logger()):
                _download(source, path, progress)
        return path
    except requests.RequestException as error:
        raise DataUnavailable(_tried(source, f"{source.url} failed: {_reason(error)}")) from error
    except OSError as error:
        raise DataUnavailable(
            _tried(source, f"the cache cannot be used: {error.strerror or error}; RECSYS_LAB_CACHE names another")
        ) from error
    except ValueError as error:  # pooch's word for a wrong checksum
        raise DataError(
            f"{source.file}: what {source.url} sent is not the file that the course knows (its sha256 has to be "
            f"{source.sha256}), so it was not kept; try again, or set RECSYS_LAB_DATA to a folder with {source.local}"
        ) from error


def _download(source: Source, path: Path, progress: bool) -> None:
    import pooch

    if _whole(path, source.sha256):  # another process fetched it while this one waited
        return
    transfer = _Transfer(path.with_name(f"{path.name}.part"), source.sha256, progress)
    aside = path.with_name(f"{path.name}.new")  # a folder: what a killed process leaves in it goes with the next fetch
    try:
        pooch.retrieve(source.url, source.sha256, fname=path.name, path=aside, downloader=transfer)
        (aside / path.name).replace(path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def read_member(path: Path, pattern: str) -> bytes:
    """The one file of a zip whose name fits `pattern` (as in a shell), unpacked in memory: nothing is written.

    Raises `DataError` when the file is no whole zip, has a member whose path leaves the folder, has not exactly one
    that fits, or one that is larger than `LARGEST_MEMBER`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                _refuse_unsafe(path, member)
            names = [member.filename for member in archive.infolist() if not member.is_dir()]
            fitting = fnmatch.filter(names, pattern)
            if len(fitting) != 1:
                found = f"{len(fitting)} files" if fitting else "no file"
                raise DataError(
                    f"{path.name}: {found} in it named {pattern!r}; it holds {', '.join(names) or 'nothing'}"
                )
            return _unpacked(path, archive, fitting[0])
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
        raise DataError(f"{path.name}: this is no whole zip file ({error}); fetch or copy it again") from error


def _unpacked(path: Path, archive: zipfile.ZipFile, name: str) -> bytes:
    member = archive.getinfo(name)
    if member.file_size > LARGEST_MEMBER:
        raise DataError(f"{path.name}: {name!r} in it has {member.file_size:,} bytes, above {LARGEST_MEMBER:,}")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{path.name}: {name!r} in it is packed in a way that is not read here; pack it by 'deflate'")
    # In pieces: a single read would unpack all that the compressed data yields and only then cut it to the stated size.
    with archive.open(member) as file:
        return b"".join(iter(lambda: file.read(_CHUNK), b""))


def _refuse_unsafe(path: Path, member: zipfile.ZipInfo) -> None:
    name = member.orig_filename
    steps = name.replace("\\", "/").split("/")
    if not steps[0] or ".." in steps or PureWindowsPath(name).drive or "\0" in name:
        raise DataError(f"{path.name}: the path {name!r} in it leads out of the folder; do not use this file")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise DataError(f"{path.name}: {name!r} in it is a symbolic link; do not use this file")


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Let one process at a time work on `path`; the others wait. Where no lock can be had, nobody waits."""
    with ExitStack() as held:
        try:
            import fcntl

            lock = held.enter_context(path.with_name(f"{path.name}.lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        except (ImportError, OSError) as error:  # Windows, a folder that is read only, some network disks
            _log.info("no lock on %s: %s", path, error)
        yield


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """A path to write to; once the block has ended well, that file takes the place of `path` in one step."""
    aside = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        yield aside
        with aside.open("rb+") as file:
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


class _Transfer:
    """A downloader for pooch that goes on from a `.part` file and leaves one behind when it is interrupted."""

    def __init__(self, part: Path, sha256: str | None, progress: bool) -> None:
        self.part, self.sha256, self.progress = part, sha256, progress

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        resumed = self._have() > 0
        if not self._receive(url):
            self.part.unlink()  # the part does not belong to this file, or the server cannot go on from there
            self._receive(url)
        elif resumed and self.sha256 and _sha256(self.part) != self.sha256:
            self.part.unlink()  # the old part was damaged or of another version: once more, from the start
            self._receive(url)
        self.part.replace(output_file)

    def _have(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _receive(self, url: str) -> bool:
        """Ask for what is missing and write it; False when the server cannot go on from the part that is there."""
        import requests

        have = self._have()
        # Without "identity" a server may compress on the way, and a Range would then count other bytes than the file's.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with requests.get(url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)) as answer:
            span, _, total = answer.headers.get("Content-Range", "").removeprefix("bytes").strip().partition("/")
            if have and answer.status_code == requests.codes.requested_range_not_satisfiable:
                return total == str(have)
            if have and answer.status_code == requests.codes.partial_content and not span.startswith(f"{have}-"):
                return False
            answer.raise_for_status()
            if answer.headers.get("Content-Type", "").startswith("text/html"):
                raise requests.RequestException("it sent a web page instead of the file (the log-in of a network?)")
            start = have if answer.status_code == requests.codes.partial_content else 0
            self._write(answer, start)
        return True

    def _write(self, answer: requests.Response, start: int) -> None:
        import requests
        from tqdm import tqdm

        length = answer.headers.get("Content-Length", "")
        total = start + int(length) if length.isdigit() and "Content-Encoding" not in answer.headers else None
        bar: Any = tqdm(
            desc=self.part.stem, total=total, initial=start, unit="B", unit_scale=True, disable=not self.progress
        )
        with bar, self.part.open("ab" if start else "wb") as file:
            for chunk in answer.iter_content(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
            file.flush()
            os.fsync(file.fileno())
        if total is not None and self._have() != total:
            raise requests.exceptions.ChunkedEncodingError(f"{self._have()} of {total} bytes came")


def _whole(path: Path, sha256: str | None) -> bool:
    return path.is_file() and (sha256 is None or _sha256(path) == sha256)


def _sha256(path: Path) -> str:
    import pooch

    return str(pooch.file_hash(str(path), alg="sha256"))


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """pooch announces each file with its path on this computer; in a notebook that is noise."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _reason(error: Exception) -> str:
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"it answered {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off (what came is kept, the next try goes on from there)"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return str(error)


def _tried(source: Source, failure: str) -> str:
    named = os.environ.get("RECSYS_LAB_DATA")
    local = f"RECSYS_LAB_DATA has no {source.local}" if named else "RECSYS_LAB_DATA is not set"
    return (
        f"{source.title} is not on this computer: {local}, the cache {cache_folder()} does not hold it, and {failure}; "
        f"connect to the internet once and run this again, or set RECSYS_LAB_DATA to a folder that holds {source.local}"
    )
