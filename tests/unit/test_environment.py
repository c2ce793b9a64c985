"""tools/environment.py: the stamp, and one clear line for each thing that goes wrong on laptops."""

import errno
import importlib.util
import os
import shutil
import subprocess
import sys
import tomllib
from collections import namedtuple
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tools" / "environment.py"

spec = importlib.util.spec_from_file_location("environment", SCRIPT)
assert spec is not None and spec.loader is not None
environment = importlib.util.module_from_spec(spec)
spec.loader.exec_module(environment)

RETRY = (
    "WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after connection broken "
    "by 'NewConnectionError('<pip._vendor.urllib3.connection.HTTPSConnection object at 0x7f>: Failed to establish a "
    "new connection: [Errno -2] Name or service not known')': /simple/altair/\n"
)
NOT_FOUND = (
    "ERROR: Could not find a version that satisfies the requirement altair==6.3.0 (from versions: {})\n"
    "ERROR: No matching distribution found for altair==6.3.0\n"
)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A small project with a pretended environment; returns its root."""
    for name in ("pyproject.toml", "requirements.txt", "requirements-dev.txt"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    monkeypatch.setattr(environment, "create", _pretend)
    return tmp_path


def _pretend(venv):
    python = environment.python_in(venv)
    python.parent.mkdir(parents=True, exist_ok=True)
    python.touch()


class TestPython:
    @pytest.mark.parametrize("version", [(3, 11, 0), (3, 12, 1), (3, 13, 9)])
    def test_a_supported_one(self, version):
        assert environment.python_problem(version) is None

    @pytest.mark.parametrize(("version", "age"), [((3, 6, 15), "old"), ((3, 10, 13), "old"), ((3, 14, 0), "new")])
    def test_another_one_is_named_with_the_rule_and_the_way_out(self, version, age):
        line = environment.python_problem(version)
        assert "\n" not in line
        for part in (".".join(map(str, version)), f"too {age}", "3.11 or newer, below 3.14", "PYTHON=python3.12"):
            assert part in line

    def test_the_rule_is_the_one_of_the_package(self):
        rule = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
        low, below = (".".join(map(str, version)) for version in (environment.LOWEST, environment.BELOW))
        assert rule == f">={low},<{below}"

    def test_an_old_python_gets_as_far_as_the_line(self):
        versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
        old = [path for minor in (6, 7, 8, 9, 10) for path in versions.glob(f"3.{minor}.*/bin/python")]
        if not old:
            pytest.skip("no Python older than 3.11 is installed by pyenv")
        done = subprocess.run([old[0], SCRIPT], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1 and "too old" in done.stderr


class TestExplain:
    @pytest.mark.parametrize(
        "log",
        [
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n",
            "ERROR: Could not install packages due to an OSError: [WinError 112] There is not enough space on the disk",
            "OSError: [Errno 122] Disk quota exceeded: '/home/x'",
        ],
    )
    def test_full_disk(self, log):
        assert environment.explain(log) == environment.DISK_FULL

    @pytest.mark.parametrize(
        "log",
        [
            RETRY + NOT_FOUND.format("none"),
            "pip._vendor.urllib3.exceptions.ReadTimeoutError: HTTPSConnectionPool(host='x'): Read timed out.\n",
            "ERROR: Could not install packages due to an OSError: HTTPSConnectionPool: Max retries exceeded with url\n",
        ],
    )
    def test_no_network(self, log):
        assert environment.explain(log) == environment.NO_NETWORK

    def test_untrusted_certificate_is_no_missing_network(self):
        log = RETRY.replace("NewConnectionError", "SSLError(SSLCertVerificationError") + NOT_FOUND.format("none")
        assert environment.explain(log) == environment.CERTIFICATE

    def test_a_package_that_nobody_offered_is_named_with_both_reasons(self):
        line = environment.explain(NOT_FOUND.format("none"))
        assert "altair==6.3.0" in line and "cannot be reached" in line and "none for this computer" in line

    @pytest.mark.parametrize(
        "log",
        [
            NOT_FOUND.format("1.0, 2.0"),
            RETRY + "ERROR: Failed building wheel for altair\n",  # the retry went well
            "",
        ],
    )
    def test_anything_else_is_left_to_pip_to_say(self, log):
        assert environment.explain(log) is None


class TestStamp:
    def run(self, project, monkeypatch, dev=False, outcome=None):
        """One run; returns the lanes that were installed. `outcome` is raised in place of a good end."""
        lanes = []

        def install(root, venv, dev):
            lanes.append("dev" if dev else "plain")
            if outcome is not None:
                raise outcome

        monkeypatch.setattr(environment, "install", install)
        try:
            environment.ensure(project, project / ".venv", dev)
        except BaseException as error:
            assert error is outcome
        return lanes

    def test_the_second_run_does_nothing_and_says_nothing(self, project, monkeypatch, capsys):
        assert self.run(project, monkeypatch) == ["plain"]
        capsys.readouterr()
        assert self.run(project, monkeypatch) == []
        assert capsys.readouterr().out == ""

    def test_dev_satisfies_plain_but_not_the_other_way_round(self, project, monkeypatch):
        assert self.run(project, monkeypatch) == ["plain"]
        assert self.run(project, monkeypatch, dev=True) == ["dev"]
        assert self.run(project, monkeypatch) == []

    def test_an_update_keeps_the_lane(self, project, monkeypatch):
        self.run(project, monkeypatch, dev=True)
        (project / "requirements.txt").write_text("new", encoding="utf-8")
        assert self.run(project, monkeypatch) == ["dev"]
        assert self.run(project, monkeypatch, dev=True) == []

    def test_plain_does_not_care_for_what_only_dev_needs(self, project, monkeypatch):
        self.run(project, monkeypatch, dev=True)
        (project / "requirements-dev.txt").write_text("new", encoding="utf-8")
        assert self.run(project, monkeypatch) == []
        assert self.run(project, monkeypatch, dev=True) == ["dev"]

    @pytest.mark.parametrize("outcome", [KeyboardInterrupt(), environment.Problem(environment.DISK_FULL)])
    def test_an_installation_cut_short_is_repaired(self, project, monkeypatch, outcome):
        self.run(project, monkeypatch)
        (project / "pyproject.toml").write_text("new", encoding="utf-8")
        assert self.run(project, monkeypatch, outcome=outcome) == ["plain"]
        assert environment.read_stamp(project / ".venv") == {}
        assert self.run(project, monkeypatch) == ["plain"]

    def test_an_update_without_a_network_leaves_the_old_environment_usable(self, project, monkeypatch):
        self.run(project, monkeypatch)
        before = environment.read_stamp(project / ".venv")
        (project / "pyproject.toml").write_text("new", encoding="utf-8")
        self.run(project, monkeypatch, outcome=environment.Problem(environment.NO_NETWORK))
        assert before and environment.read_stamp(project / ".venv") == before

    def test_another_python_a_moved_folder_or_a_lost_interpreter_starts_afresh(self, project, monkeypatch):
        self.run(project, monkeypatch)
        venv, created = project / ".venv", []
        monkeypatch.setattr(environment, "create", lambda venv: (created.append(venv), _pretend(venv)))

        monkeypatch.setattr(environment.sys, "version_info", (3, 99, 0))
        self.run(project, monkeypatch)
        monkeypatch.undo()
        assert created == [venv]

        monkeypatch.setattr(environment, "create", lambda venv: (created.append(venv), _pretend(venv)))
        moved = project.with_name("moved")
        shutil.move(project, moved)
        self.run(moved, monkeypatch)
        assert created == [venv, moved / ".venv"]

        environment.python_in(moved / ".venv").unlink()
        self.run(moved, monkeypatch)
        assert created == [venv, moved / ".venv", moved / ".venv"]

    def test_a_damaged_stamp_counts_as_none(self, project):
        _pretend(project / ".venv")
        (project / ".venv" / environment.STAMP).write_text("{", encoding="utf-8")
        assert environment.read_stamp(project / ".venv") == {}


class TestCreate:
    def test_too_little_room(self, tmp_path, monkeypatch):
        usage = namedtuple("usage", "total used free")(10, 9, 1)
        monkeypatch.setattr(environment.shutil, "disk_usage", lambda path: usage)
        with pytest.raises(environment.Problem, match=r"disk is full.*Free now: 0\.0 GB"):
            environment.create(tmp_path / "new" / ".venv")
        assert not (tmp_path / "new").exists()

    def test_no_venv_module(self, tmp_path, monkeypatch):
        monkeypatch.setattr(environment.importlib.util, "find_spec", lambda name: None)
        with pytest.raises(environment.Problem, match=r"python3\.\d+-venv"):
            environment.create(tmp_path / ".venv")

    def test_a_folder_with_something_else_in_it_is_left_alone(self, tmp_path):
        (tmp_path / "thesis.txt").write_text("all of it", encoding="utf-8")
        with pytest.raises(environment.Problem, match="no virtual environment"):
            environment.create(tmp_path)
        assert (tmp_path / "thesis.txt").read_text(encoding="utf-8") == "all of it"

    @pytest.mark.parametrize(
        ("code", "says"),
        [(errno.ENOSPC, "disk is full"), (errno.EROFS, "cannot be read or written"), (errno.EACCES, "cannot be")],
    )
    def test_a_place_that_cannot_be_written_is_one_line(self, tmp_path, monkeypatch, capsys, code, says):
        def refuse(*_):
            raise OSError(code, os.strerror(code), str(tmp_path / ".venv"))

        monkeypatch.setattr(environment, "ensure", refuse)
        monkeypatch.setattr(sys, "argv", ["environment.py", "--venv", str(tmp_path / ".venv")])
        assert environment.main() == 1
        line = capsys.readouterr().err
        assert says in line and line.count("\n") == 1


def test_pip_without_a_network_ends_in_one_line(tmp_path):
    """The real pip against an address where nobody listens."""
    if shutil.disk_usage(tmp_path).free < 4 * environment.GIGABYTE:
        pytest.skip("less than 4 GB free: the environment would stop at that first")
    (tmp_path / "tools").mkdir()
    shutil.copy(SCRIPT, tmp_path / "tools")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "requirements.txt").write_text("recsys-lab-no-such-package==1.0\n", encoding="utf-8")
    unreachable = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1", "PIP_CONFIG_FILE": os.devnull}
    settings = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")} | unreachable
    done = subprocess.run(
        [sys.executable, "tools/environment.py"],
        cwd=tmp_path,
        env=settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == f"recsys-lab: {environment.NO_NETWORK}\n"
    assert not (tmp_path / ".venv" / environment.STAMP).exists()
