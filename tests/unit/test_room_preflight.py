"""The evening before: runs behind the guard, what fails and how it is told, and the checks of the computer."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from typer.testing import CliRunner

from recsys_lab import doctor
from recsys_lab.cli import app
from recsys_lab.doctor import Finding
from recsys_lab.room import RoomError, offline
from recsys_lab.room import preflight as before

ROOT = Path(__file__).resolve().parents[2]


def chapter(folder: Path, *code: str, name: str = "00_small.ipynb") -> Path:
    card = new_markdown_cell("# Small\n\n- **Time:** 1 minutes to read, about 5 seconds to run", id="card")
    path = folder / name
    nbformat.write(new_notebook(cells=[card, *(new_code_cell(one) for one in code)]), path)
    return path


def test_a_run_tells_its_seconds_memory_and_what_was_skipped(tmp_path: Path) -> None:
    path = chapter(tmp_path, "print('Skipped: Redis.')", "rest = 1")
    text = path.read_bytes()
    told = offline.run(path)
    assert told.error == "" and told.skipped == ("Skipped: Redis.",)
    assert told.seconds > 0 and told.memory_mb > 10
    assert path.read_bytes() == text and sorted(tmp_path.iterdir()) == [path]


REFUSED = """\
import socket, subprocess, sys
def refused(ask):
    try:
        ask()
    except OSError as error:
        return str(error).startswith("refused")
    return False
assert refused(lambda: socket.create_connection(("192.0.2.1", 80), timeout=5))
assert refused(lambda: socket.getaddrinfo("example.org", 80))
assert refused(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53)))
below = 'import socket; socket.create_connection(("192.0.2.1", 80), timeout=5)'
done = subprocess.run([sys.executable, "-c", below], capture_output=True, text=True)
assert "refused, there is no network" in done.stderr, done.stderr"""


def test_what_leaves_the_computer_is_refused_also_to_programs_below(tmp_path: Path) -> None:
    assert offline.run(chapter(tmp_path, REFUSED)).error == ""
    asks = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=5)"
    assert "OSError: refused" in offline.run(chapter(tmp_path, asks)).error


def test_a_local_server_can_be_asked_and_a_proxy_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:3128")
    code = """\
import os, socket
assert not [name for name in os.environ if name.lower().endswith("_proxy")]
with socket.create_server(("127.0.0.1", 0)) as server:
    socket.create_connection(server.getsockname()).close()
    socket.create_connection(("localhost", server.getsockname()[1])).close()"""
    assert offline.run(chapter(tmp_path, code)).error == ""


def test_a_kernel_that_dies_and_one_that_hangs(tmp_path: Path) -> None:
    assert "ended its Python" in offline.run(chapter(tmp_path, "import os; os._exit(3)")).error
    slow = offline.run(chapter(tmp_path, "import time; time.sleep(60)"), timeout=2)
    assert "cell 2 (import time; time.sleep(60)) takes longer than 2 s" in slow.error


def test_the_table_and_the_problem_of_a_chapter_that_fails(tmp_path: Path) -> None:
    chapter(tmp_path, "print(1)", name="00_good.ipynb")
    chapter(tmp_path, "one = 1", "# why\nraise ValueError('no\\nway')", name="05_bad.ipynb")
    done = [run() for run in before.trials(["05", "00"], notebooks=tmp_path)]
    rows = [before.line(trial) for trial in done]
    assert (
        rows[0].startswith("05_bad") and " no " in rows[0] and rows[0].endswith("cell 3 (# why) stops: ValueError: no")
    )
    assert [note.partition(":")[0] for note in before.notes([], done) if "reset" in note] == ["05_bad", "00_good"]
    assert rows[1].startswith("00_good") and " yes " in rows[1] and " 5 s" in rows[1] and "MB" in rows[1]
    (problem,) = before.problems([], done)
    assert problem.startswith("05_bad: cell 3") and "reset --chapter 05" in problem
    told = before.as_json([], done)
    assert told["ok"] is False and [one["card_seconds"] for one in told["chapters"]] == [5, 5]
    assert json.loads(json.dumps(told))["problems"] == [problem]


def test_solved_notebooks_run_by_option_and_missing_ones_are_told(tmp_path: Path) -> None:
    chapter(tmp_path, "print(1)")
    with pytest.raises(RoomError, match=r"solutions/00_small.ipynb is missing"):
        list(before.trials(solved=True, notebooks=tmp_path))
    (tmp_path / "solutions").mkdir()
    chapter(tmp_path / "solutions", "print(1)")
    assert [run.__name__ for run in before.trials(solved=True, notebooks=tmp_path)] == ["00_small", "00_small (solved)"]
    (tmp_path / "00_small.ipynb").unlink()
    with pytest.raises(RoomError, match="reset --chapter 00"):
        list(before.trials(notebooks=tmp_path))


def test_a_file_that_is_no_notebook_is_a_failed_run(tmp_path: Path) -> None:
    (tmp_path / "00_small.ipynb").write_text("{")
    (run,) = before.trials(notebooks=tmp_path)
    assert "no notebook can be read" in run().run.error


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_ports(listening: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    assert before.check_port(free, "the live shop", "stop it").state == "ok"
    taken = before.check_port(listening, "the live shop", "stop it")
    assert (taken.state, taken.mend) == ("broken", "stop it")


def test_a_live_shop_on_its_port_is_well() -> None:
    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"products": 1200, "waiting": 0}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Health) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found = before.check_port(server.server_port, "the live shop", "stop it")
        server.shutdown()
    assert (found.state, found.detail) == ("ok", "a live shop answers here")


def test_other_content_of_the_shop_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [finding.state for finding in before.check_hash()] == ["ok"]
    source = ROOT / "data" / "shop"
    for path in source.glob("*.parquet"):
        (tmp_path / path.name).symlink_to(path)
    manifest = json.loads((source / "manifest.json").read_text())
    manifest["content"]["events"] = "0" * 64
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.setattr(doctor, "data_places", lambda: {"simulated shop": [tmp_path]})
    (found,) = before.check_hash()
    assert found.state == "broken" and found.needed and found.detail.endswith(": events")


def test_disk_and_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert before.check_disk(tmp_path).state == "ok"
    monkeypatch.setattr(before, "free", lambda folder: 10_000_000)
    assert "10 MB free; 1.0 GB are needed" in before.check_disk(tmp_path).detail
    assert before.check_memory().state == "ok"
    monkeypatch.setattr(before, "_largest", lambda: 10_000_000)
    assert before.check_memory().state == "broken"


def test_slides_and_site_are_found_where_they_are_built_or_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "REPOSITORY", tmp_path / "course")
    assert [finding.state for finding in before.check_built()] == ["missing", "missing"]
    for folder in (tmp_path / "course" / "build" / "slides", tmp_path / "site"):
        folder.mkdir(parents=True)
        (folder / "index.html").write_text("<p>")
    assert [finding.state for finding in before.check_built()] == ["ok", "ok"]


def test_the_exit_code_and_the_lines_of_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    well = Finding("ports", "8000", "ok", "free")
    monkeypatch.setattr(before, "checks", lambda: [well])
    said = CliRunner().invoke(app, ["preflight", "--checks-only"])
    assert said.exit_code == 0 and "Nothing to mend." in said.stdout
    taken = Finding("ports", "8000", "broken", "taken; the live shop wants it", "stop what listens there")
    monkeypatch.setattr(before, "checks", lambda: [taken])
    said = CliRunner().invoke(app, ["preflight", "--checks-only"])
    assert said.exit_code == 1
    problems = [line for line in said.stdout.splitlines() if line.startswith("problem: ")]
    assert problems == ["problem: ports, 8000: taken; the live shop wants it. To do: stop what listens there"]
    told = json.loads(CliRunner().invoke(app, ["preflight", "--checks-only", "--json"]).stdout)
    assert told["ok"] is False and told["checks"][0]["name"] == "8000"


def test_an_unknown_chapter_is_one_line_before_anything_runs() -> None:
    said = CliRunner().invoke(app, ["preflight", "--chapters", "00,77"])
    assert said.exit_code == 1 and said.output.startswith("error: there is no chapter '77'")
