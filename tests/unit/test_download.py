"""Downloads against a server on this computer that breaks off, ignores Range, lies and fails; zips that are hostile."""

import hashlib
import io
import os
import random
import socket
import stat
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from recsys_lab.datasets import download
from recsys_lab.datasets.download import (
    DataUnavailable,
    Source,
    fetch,
    local_copy,
    only_one,
    read_member,
    written_aside,
)
from recsys_lab.datasets.events import DataError

CONTENT = random.Random(7).randbytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Publisher(ThreadingHTTPServer):
    """Serves CONTENT; `plan` says how each request in turn is answered (the last stays), `ranges` what was asked."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.plan, self.ranges, self.content = ["whole"], [], CONTENT

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/log.zip"

    def source(self, **changes):
        given = {"title": "The log", "url": self.url, "file": "log.zip", "sha256": SHA256}
        return Source(**(given | {"local": "some/log.zip", "local_sha256": SHA256} | changes))


class Answer(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        content, asked = self.server.content, self.headers.get("Range")
        self.server.ranges.append(asked)
        how = self.server.plan.pop(0) if len(self.server.plan) > 1 else self.server.plan[0]
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and how != "no range" else 0
        if isinstance(how, int):
            self.send_response(how)
            self.end_headers()
        elif how == "page":
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(b"<html>Please log in</html>")
        elif start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.end_headers()
        else:
            self.send_response(206 if start else 200)
            if start:
                first = start + 1 if how == "wrong range" else start
                self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
            if how != "no length":
                self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            cut = {"cut": 100_000, "no length": 100_000, "nothing": 0}.get(how)
            self.wfile.write(content[start:] if cut is None else content[start : start + cut])


@pytest.fixture
def publisher():
    with Publisher() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("RECSYS_LAB_DATA", raising=False)
    folder = tmp_path / "cache"
    monkeypatch.setenv("RECSYS_LAB_CACHE", str(folder))
    folder.mkdir()
    (folder / "other.parquet").write_bytes(b"from before")
    yield folder
    # Whatever a test did: what was there stays, nothing of pooch's is left over, no name holds half a file.
    if folder.is_dir():
        assert (folder / "other.parquet").read_bytes() == b"from before"
        allowed = {"other.parquet", "log.zip", "log.zip.part", "log.zip.lock"}
        assert {path.name for path in folder.iterdir()} <= allowed


def held(folder):
    return sorted(path.name for path in folder.iterdir())


def part_of(cache):
    return cache / "log.zip.part"


def test_fetches_once_and_then_reads_the_cache(publisher, cache, capfd):
    path = fetch(publisher.source(), progress=False)
    assert path == cache / "log.zip"
    assert path.read_bytes() == CONTENT
    assert fetch(publisher.source(), progress=False) == path
    assert publisher.ranges == [None]
    assert not part_of(cache).exists()
    assert capfd.readouterr() == ("", "")


def test_progress_goes_to_stderr(publisher, capfd):
    fetch(publisher.source())
    out, err = capfd.readouterr()
    assert out == ""
    assert "log.zip: 100%" in err
    assert "Downloading" not in err, "pooch's own line names a path on this computer"


def test_default_cache_is_the_systems(monkeypatch):
    monkeypatch.delenv("RECSYS_LAB_CACHE")
    assert "recsys-lab" in download.cache_folder().parts


def test_interrupted_download_goes_on_from_where_it_stopped(publisher, cache):
    publisher.plan = ["nothing", "cut", "cut", "whole"]
    kept = [0]
    for _ in range(3):
        with pytest.raises(DataUnavailable, match="the next try goes on from there"):
            fetch(publisher.source(), progress=False)
        part = part_of(cache).read_bytes()
        assert part == CONTENT[: len(part)]
        kept.append(len(part))
        assert not (cache / "log.zip").exists()
    assert kept[1] == 0
    # Each try got 100,000 bytes; at most the last piece of each is lost.
    assert 90_000 < kept[2] <= 100_000
    assert 90_000 < kept[3] - kept[2] <= 100_000
    assert hashlib.sha256(fetch(publisher.source(), progress=False).read_bytes()).hexdigest() == SHA256
    assert publisher.ranges == [None, None, f"bytes={kept[2]}-", f"bytes={kept[3]}-"]
    assert not part_of(cache).exists()


def test_ctrl_c_keeps_what_came(publisher, cache, monkeypatch):
    from tqdm import tqdm

    def interrupt(bar, amount):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tqdm, "update", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fetch(publisher.source(), progress=False)
    kept = part_of(cache).stat().st_size
    assert 0 < kept < len(CONTENT)
    assert fetch(publisher.source(), progress=False).read_bytes() == CONTENT
    assert publisher.ranges == [None, f"bytes={kept}-"]


@pytest.mark.parametrize(
    ("part", "plan", "ranges"),
    [
        pytest.param(CONTENT[:9], ["no range"], ["bytes=9-"], id="server ignores Range"),
        pytest.param(CONTENT[:9], ["wrong range", "whole"], ["bytes=9-", None], id="server sends another range"),
        pytest.param(CONTENT, ["whole"], ["bytes=300000-"], id="416, part is whole"),
        pytest.param(CONTENT + b"x", ["whole"], ["bytes=300001-", None], id="416, part is too long"),
        pytest.param(CONTENT[:9], [416, "whole"], ["bytes=9-", None], id="416 without a length"),
        pytest.param(b"another version", ["whole"], ["bytes=15-", None], id="part of another file"),
        pytest.param(b"x" * len(CONTENT), ["whole"], ["bytes=300000-", None], id="416, part is damaged"),
        pytest.param(b"", ["whole"], [None], id="empty part"),
    ],
)
def test_resumes_or_starts_again(publisher, cache, part, plan, ranges):
    part_of(cache).write_bytes(part)
    publisher.plan = plan
    assert fetch(publisher.source(), progress=False).read_bytes() == CONTENT
    assert publisher.ranges == ranges
    assert not part_of(cache).exists()


@pytest.mark.parametrize(
    ("how", "reason"), [(404, "answered 404"), (503, "answered 503"), ("page", "sent a web page instead")]
)
def test_server_that_fails_says_why_and_keeps_the_part(publisher, cache, how, reason):
    part_of(cache).write_bytes(CONTENT[:9])
    publisher.plan = [how]
    with pytest.raises(DataUnavailable, match=reason):
        fetch(publisher.source(), progress=False)
    assert part_of(cache).read_bytes() == CONTENT[:9]
    assert not (cache / "log.zip").exists()


@pytest.mark.parametrize("how", ["whole", "no length"])
def test_wrong_checksum_is_not_kept(publisher, cache, how):
    publisher.plan = [how]  # without a length nothing but the checksum can tell that the connection broke off
    source = publisher.source() if how == "no length" else publisher.source(sha256="0" * 64)
    with pytest.raises(DataError, match=rf"log\.zip: what http.* sent is not the file .*{source.sha256}"):
        fetch(source, progress=False)
    assert not (cache / "log.zip").exists()
    assert not part_of(cache).exists()
    publisher.plan = ["whole"]
    assert fetch(publisher.source(), progress=False).read_bytes() == CONTENT


def test_damaged_file_in_the_cache_is_fetched_again_and_stays_when_that_fails(publisher, cache):
    (cache / "log.zip").write_bytes(CONTENT[:-1])
    publisher.plan = ["cut", "whole"]
    with pytest.raises(DataUnavailable):
        fetch(publisher.source(), progress=False)
    assert (cache / "log.zip").read_bytes() == CONTENT[:-1]
    assert fetch(publisher.source(), progress=False).read_bytes() == CONTENT


def test_file_without_a_known_checksum(publisher, cache):
    publisher.plan = ["cut", "whole"]
    source = publisher.source(sha256=None)
    with pytest.raises(DataUnavailable):
        fetch(source, progress=False)
    assert not (cache / "log.zip").exists()
    assert fetch(source, progress=False).read_bytes() == CONTENT
    # A part that is longer than the file cannot be its beginning, and there is no checksum to tell.
    (cache / "log.zip").unlink()
    part_of(cache).write_bytes(CONTENT + b"x")
    assert fetch(source, progress=False).read_bytes() == CONTENT


def test_refused_network_is_one_sentence_within_seconds(publisher, cache, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        source = publisher.source(url=f"http://127.0.0.1:{unused.getsockname()[1]}/log.zip")
        began = time.monotonic()
        with pytest.raises(DataUnavailable) as caught:
            fetch(source, progress=False)
        assert time.monotonic() - began < 5
        text = str(caught.value)
        parts = ("The log", "RECSYS_LAB_DATA is not set", str(cache), source.url, "no connection", "connect to the")
        for part in (*parts, "set RECSYS_LAB_DATA to a folder that holds some/log.zip"):
            assert part in text
        assert "\n" not in text
        monkeypatch.setenv("RECSYS_LAB_DATA", str(cache))
        with pytest.raises(DataUnavailable, match=r"RECSYS_LAB_DATA has no some/log\.zip"):
            fetch(source, progress=False)


def test_server_that_never_answers_is_given_up(publisher, monkeypatch):
    monkeypatch.setattr(download, "READ_SECONDS", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(DataUnavailable, match="no answer in time"):
            fetch(publisher.source(url=f"http://127.0.0.1:{silent.getsockname()[1]}/log.zip"), progress=False)


def test_cache_that_cannot_be_written(publisher, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("RECSYS_LAB_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(DataUnavailable, match=r"the cache cannot be used.*RECSYS_LAB_CACHE"):
        fetch(publisher.source(), progress=False)
    assert publisher.ranges == []


def test_full_disk_leaves_no_file_under_the_final_name(publisher, cache, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(download.os, "fsync", full)
        with pytest.raises(DataUnavailable, match="No space left"):
            fetch(publisher.source(), progress=False)
    assert not (cache / "log.zip").exists()
    assert fetch(publisher.source(), progress=False).read_bytes() == CONTENT


def test_two_at_once_fetch_once(publisher):
    got = []
    threads = [threading.Thread(target=lambda: got.append(fetch(publisher.source(), progress=False))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 4
    assert got[0].read_bytes() == CONTENT
    if os.name == "posix":
        assert publisher.ranges == [None]


def test_lock_that_cannot_be_had_stops_nobody(tmp_path):
    with only_one(tmp_path / "no folder" / "log.zip"):
        pass


def test_local_copy_is_checked_and_never_written(tmp_path, monkeypatch, publisher):
    assert local_copy(publisher.source()) is None
    monkeypatch.setenv("RECSYS_LAB_DATA", str(tmp_path / "data"))
    assert local_copy(publisher.source()) is None
    copy = tmp_path / "data" / "some" / "log.zip"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(CONTENT)
    for path in (copy, copy.parent, copy.parent.parent):
        path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    before = copy.stat()
    assert local_copy(publisher.source()) == copy
    assert (copy.stat().st_mtime_ns, held(copy.parent)) == (before.st_mtime_ns, ["log.zip"])
    with pytest.raises(
        DataError, match=r"log\.zip: this is not the file that the course knows .*unset RECSYS_LAB_DATA"
    ):
        local_copy(publisher.source(local_sha256="0" * 64))
    assert copy.read_bytes() == CONTENT
    for path in (copy.parent.parent, copy.parent):
        path.chmod(0o755)


def test_written_aside_replaces_only_when_all_is_well(tmp_path):
    path = tmp_path / "table"
    path.write_text("old")
    with pytest.raises(RuntimeError), written_aside(path) as aside:
        aside.write_text("half")
        raise RuntimeError
    assert (path.read_text(), held(tmp_path)) == ("old", ["cache", "table"])
    with written_aside(path) as aside:
        aside.write_text("new")
    assert (path.read_text(), held(tmp_path)) == ("new", ["cache", "table"])


def zipped(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for member, content in members:
            archive.writestr(member, content)
    return path


def test_reads_one_member_and_writes_nothing(tmp_path):
    path = zipped(tmp_path / "a.zip", [("folder/", ""), ("folder/notes.txt", "notes"), ("table 1.csv", b"x;y")])
    assert read_member(path, "table 1.csv") == b"x;y"
    assert read_member(path, "*.csv") == b"x;y"
    assert held(tmp_path) == ["a.zip", "cache"]


@pytest.mark.parametrize(
    "name", ["/etc/evil", "../evil", "a/../../evil", "..\\evil", "C:\\evil", "c:evil", "\\\\host\\evil", "\\evil"]
)
def test_paths_that_leave_the_folder_are_refused(tmp_path, name):
    path = zipped(tmp_path / "a.zip", [("table.csv", "x"), (name, "evil")])
    with pytest.raises(DataError, match=r"a\.zip: the path .*evil' in it leads out of the folder"):
        read_member(path, "table.csv")


def test_symbolic_links_are_refused(tmp_path):
    link = zipfile.ZipInfo("link")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    path = zipped(tmp_path / "a.zip", [("table.csv", "x"), (link, "/etc/passwd")])
    with pytest.raises(DataError, match=r"a\.zip: 'link' in it is a symbolic link"):
        read_member(path, "table.csv")


def test_missing_or_doubtful_member_lists_what_is_there(tmp_path):
    path = zipped(tmp_path / "a.zip", [("one.csv", "x"), ("two.csv", "y")])
    with pytest.raises(DataError, match=r"a\.zip: no file in it named 'three\.csv'; it holds one\.csv, two\.csv"):
        read_member(path, "three.csv")
    with pytest.raises(DataError, match=r"a\.zip: 2 files in it named '\*\.csv'"):
        read_member(path, "*.csv")
    with pytest.raises(DataError, match="it holds nothing"):
        read_member(zipped(tmp_path / "empty.zip", []), "*")


def test_bombs_are_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "LARGEST_MEMBER", 1_000_000)
    path = zipped(tmp_path / "a.zip", [("zeros", bytes(1_000_001))])
    with pytest.raises(DataError, match=r"a\.zip: 'zeros' in it has 1,000,001 bytes, above 1,000,000"):
        read_member(path, "zeros")
    # The same with a size that lies: both headers say 10 bytes.
    lying = path.read_bytes().replace((1_000_001).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    path.write_bytes(lying)
    with pytest.raises(DataError, match=r"a\.zip: this is no whole zip file \(Bad CRC"):
        read_member(path, "zeros")
    with pytest.raises(DataError, match="packed in a way that is not read here"):
        read_member(zipped(tmp_path / "b.zip", [("x", b"y")], zipfile.ZIP_LZMA), "x")


def test_any_damage_is_a_data_error_or_does_not_matter(tmp_path):
    made = io.BytesIO()
    zipped(made, [("table.csv", CONTENT[:500] + bytes(500)), ("notes.txt", b"notes")])
    whole, rng, path = made.getvalue(), random.Random(3), tmp_path / "a.zip"
    damaged = [whole[:end] for end in range(0, len(whole), 9)] + [b"no zip at all", b""]
    for _ in range(600):
        bad = bytearray(whole)
        bad[rng.choice((rng.randrange(len(bad)), rng.randrange(len(bad) - 200, len(bad))))] ^= 1 << rng.randrange(8)
        damaged.append(bytes(bad))
    refused = 0
    for content in damaged:
        path.write_bytes(content)
        try:
            assert read_member(path, "table.csv") == CONTENT[:500] + bytes(500)
        except DataError as error:
            assert str(error).startswith("a.zip: ")
            refused += 1
    assert refused > 300
