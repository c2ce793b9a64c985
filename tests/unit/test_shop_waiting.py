"""What waits for the live state: on the disk, in order, each event once; and a server that is away is left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from recsys_lab.datasets import Event
from recsys_lab.shop import Away
from recsys_lab.shop.reach import Reach
from recsys_lab.shop.waiting import Waiting


def event(number: int, shopper: str = "ada") -> Event:
    return Event(shopper, "boot", "clicked_on", number, "visit", {"position": 1}, id=f"{shopper}/{number}")


def test_order_and_ids(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path / "waiting.db")
    waiting.add([event(9), event(3), event(9)])
    waiting.add([event(3), event(5, "bob")])
    assert [one.id for one in waiting.first(2)] == ["ada/9", "ada/3"] and len(waiting) == 3
    assert waiting.first(9)[0] == event(9)
    assert [one.timestamp for one in waiting.of("ada")] == [3, 9]
    waiting.done(["ada/9", "nobody/1"])
    assert [one.id for one in waiting.first(9)] == ["ada/3", "bob/5"]
    waiting.close()
    again = Waiting(tmp_path / "waiting.db")
    assert [one.id for one in again.first(9)] == ["ada/3", "bob/5"]
    again.close()


def test_forgotten_events_leave_no_byte(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path / "waiting.db")
    waiting.add([event(n, "private-ada") for n in range(100)] + [event(1, "bob")])
    assert waiting.forget("private-ada") == 100 and len(waiting) == 1
    for file in tmp_path.iterdir():
        assert b"private-ada" not in file.read_bytes()
    waiting.close()


def test_what_was_added_survives_kill_9(tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from recsys_lab.datasets import Event
from recsys_lab.shop.waiting import Waiting
waiting = Waiting(Path({str(tmp_path)!r}) / "waiting.db")
for n in range(5):
    waiting.add([Event("ada", "boot", "clicked_on", n, "visit", id=str(n))])
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], env=dict(os.environ), check=False)
    assert done.returncode == -signal.SIGKILL
    waiting = Waiting(tmp_path / "waiting.db")
    assert [one.id for one in waiting.first(9)] == list("01234")
    waiting.close()


def test_threads_add_at_once(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path / "waiting.db")
    threads = [
        threading.Thread(target=lambda n=n: [waiting.add([event(n * 100 + m)]) for m in range(20)]) for n in range(4)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(waiting) == len({one.id for one in waiting.first(999)}) == 80
    waiting.close()


class Server:
    """Answers while it is up; `opened` counts connections."""

    up, opened = True, 0

    def open(self) -> Server:
        Server.opened += 1
        return self

    def answer(self) -> str:
        if not self.up:
            raise OSError("secret-password")
        return "yes"


def test_a_server_that_is_away_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    server, failed = Server(), []
    reach: Reach[Server] = Reach("state", server.open, lambda held: None, (OSError,), failed.append, pause=0.2)
    assert reach.ask(Server.answer) == "yes"
    server.up, begun = False, Server.opened
    for _ in range(100):
        with pytest.raises(Away, match="the state does not answer"):
            reach.ask(Server.answer)
    assert len(failed) == 1 and Server.opened == begun  # only the first was asked
    assert len(caplog.records) == 1 and "secret-password" not in caplog.text
    server.up = True
    threading.Event().wait(0.25)
    assert reach.ask(Server.answer) == "yes" and not reach.away and Server.opened == begun + 1
    with pytest.raises(ZeroDivisionError):  # a mistake of the asker is no outage
        reach.ask(lambda held: 1 / 0)
    assert not reach.away
