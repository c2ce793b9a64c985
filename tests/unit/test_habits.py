"""What contributors and GitHub read: workflows, templates, hooks and pages name only what there is. Nothing is run."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

yaml = pytest.importorskip("yaml", reason="PyYAML comes with the shop's server")

ROOT = Path(__file__).resolve().parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = {path.name: path for path in sorted((GITHUB / "workflows").glob("*.yml"))}
FORMS = [path for path in sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yml")) if path.name != "config.yml"]
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "CODE_OF_CONDUCT.md", "notebooks/src/README.md"]
PAGES += [".github/pull_request_template.md"]
HOOKS = ".pre-commit-config.yaml"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"(?m)^([a-z][a-z-]*):", MAKEFILE))
LEAST = {"contents": "read"}
MAY_WRITE = {("monthly.yml", "tell"): {"issues"}, ("site.yml", "deploy"): {"pages", "id-token"}}
FIELDS = {"markdown", "textarea", "input", "dropdown", "checkboxes"}


def text(name: str | Path) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def workflow(name: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(text(WORKFLOWS[name]))
    return read


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each job with the name of its file and its own."""
    for file in WORKFLOWS:
        for name, job in workflow(file)["jobs"].items():
            yield file, name, job


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    for file, name, job in jobs():
        for step in job["steps"]:
            yield f"{file}: {name}", step


def everything() -> str:
    """All that is said to contributors and to GitHub."""
    files: list[str | Path] = [*WORKFLOWS.values(), *FORMS, *PAGES, HOOKS]
    return "\n".join(text(name) for name in files)


# -- workflows: what GitHub wants, and what a careful reader does


def test_the_workflows_are_those_that_are_known() -> None:
    assert set(WORKFLOWS) == {"tests.yml", "monthly.yml", "site.yml"}


@pytest.mark.parametrize("name", sorted(WORKFLOWS))
def test_a_workflow_has_its_parts_and_no_more_rights_than_reading(name: str) -> None:
    read = workflow(name)
    # YAML 1.1, which PyYAML reads, takes the word on for a yes
    assert set(read) - {"env"} == {"name", True, "permissions", "concurrency", "jobs"}
    assert read["permissions"] == LEAST
    assert set(read["concurrency"]) == {"group", "cancel-in-progress"}
    assert "pull_request_target" not in read[True]


def test_every_job_ends_by_itself_and_has_the_rights_that_it_needs() -> None:
    for file, name, job in jobs():
        assert 0 < job["timeout-minutes"] <= 120, (file, name)
        assert "runs-on" in job and job["steps"], (file, name)
        needed = job.get("needs", [])
        assert set([needed] if isinstance(needed, str) else needed) <= set(workflow(file)["jobs"])
        written = {right for right, kind in job.get("permissions", {}).items() if kind == "write"}
        assert written == MAY_WRITE.get((file, name), set()), (file, name)


def test_every_step_does_one_thing_and_actions_are_pinned_to_a_version() -> None:
    for where, step in steps():
        assert ("run" in step) != ("uses" in step), (where, step)
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]), (where, step)
        if step.get("uses", "").startswith("actions/checkout"):
            assert step["with"]["persist-credentials"] is False, where
    used = {step["uses"] for _, step in steps() if "uses" in step}
    assert len(used) == len({one.split("@")[0] for one in used})  # one version of each in all files


def test_no_text_of_others_reaches_a_shell() -> None:
    for where, step in steps():
        named = re.findall(r"\$\{\{\s*([\w.]+)", step.get("run", ""))
        assert [name for name in named if not name.startswith(("matrix.", "runner."))] == [], where


def supported() -> list[str]:
    low, below = (int(found) for found in re.findall(r"3\.(\d+)", PROJECT["requires-python"]))
    return [f"3.{minor}" for minor in range(low, below)]


def test_the_pythons_are_those_of_the_package() -> None:
    units = workflow("tests.yml")["jobs"]["units"]["strategy"]["matrix"]
    assert units["python"] == supported()
    assert [system.removesuffix("-latest") for system in units["os"]] == ["ubuntu", "macos", "windows"]
    ends = workflow("monthly.yml")["jobs"]["newest"]["strategy"]["matrix"]["python"]
    assert ends == [supported()[0], supported()[-1]]
    others = {str(step.get("with", {}).get("python-version", "")) for _, step in steps()}
    named = {version for line in others if "matrix" not in line for version in line.split()}
    assert named and named <= set(supported())


def test_the_month_tries_the_newest_and_colabs_list_and_says_so_when_it_fails() -> None:
    read = workflow("monthly.yml")
    assert re.fullmatch(r"\d+ \d+ \d+ \* \*", read[True]["schedule"][0]["cron"])
    said = text(WORKFLOWS["monthly.yml"])
    assert "tools.colab_list compare" in said and "make colab ARGS=--all" in said and "--upgrade-strategy eager" in said
    assert read["jobs"]["tell"]["if"] == "failure()"
    assert set(read["jobs"]["tell"]["needs"]) == set(read["jobs"]) - {"tell"}


def test_the_site_is_deployed_from_the_main_branch_alone() -> None:
    deploy = workflow("site.yml")["jobs"]["deploy"]
    assert "pull_request" in deploy["if"] and "refs/heads/main" in deploy["if"]
    assert deploy["needs"] == "build" and deploy["environment"]["name"] == "github-pages"


# -- what is named is there


def in_code(said: str) -> str:
    """The code of a page or the commands of a workflow: prose may well say "make"."""
    return "\n".join(re.findall(r"(?ms)^```.*?^```|`[^`\n]+`", said))


def named_targets(said: str) -> set[str]:
    return set(re.findall(r"(?:^|[`;&|(] ?|run: )make ([a-z][a-z-]*)", said, flags=re.M))


@pytest.mark.parametrize("page", [*PAGES, "docs/DESIGN.md"])
def test_every_target_that_a_page_names_is_in_the_makefile(page: str) -> None:
    assert named_targets(in_code(text(page))) - TARGETS == set()


@pytest.mark.parametrize("name", sorted(WORKFLOWS))
def test_every_target_that_a_workflow_runs_is_in_the_makefile(name: str) -> None:
    run = "\n".join(step.get("run", "") for where, step in steps() if where.startswith(name))
    assert named_targets(run)
    assert named_targets(run) - TARGETS == set()


def test_a_target_that_is_not_there_would_be_seen() -> None:
    assert named_targets("`make tea`\nmake coffee ARGS=1\n  run: make cake") == {"tea", "coffee", "cake"}
    assert named_targets(in_code("they make it, `make lab` and\n```\nmake test  # all\n```\n")) == {"lab", "test"}


def test_every_extra_and_every_module_is_there() -> None:
    extras = {name for found in re.findall(r"\.\[([\w,-]+)\]", everything()) for name in found.split(",")}
    assert extras and extras <= set(PROJECT["optional-dependencies"])
    modules = set(re.findall(r"-m ((?:tools|recsys_lab|benchmarks|tests)[\w.]*)", everything()))
    modules |= {f"{name}" for name in re.findall(r"-p (tests[\w.]+)", everything())}
    assert {"recsys_lab", "tools.colab_list", "tests.notebooks.guard"} <= modules
    assert [name for name in sorted(modules) if importlib.util.find_spec(name) is None] == []


def test_every_command_of_the_package_is_there() -> None:
    from recsys_lab.cli import app

    known = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    said = set(re.findall(r"-m recsys_lab ([a-z][a-z-]*)", everything()))
    assert "doctor" in said and said <= known


def test_every_file_that_is_named_is_there() -> None:
    for page in PAGES:
        folder = (ROOT / page).parent
        links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text(page))
        assert [link for link in links if not (folder / link).exists()] == []
    inline = re.findall(r"`([\w./-]+/[\w.-]+\.(?:py|md|toml|txt|json|ya?ml))`", "\n".join(map(text, PAGES)))
    made = {"notebooks/src/11_my_chapter.py", "recsys_lab/exercises/chapter_11.py"}  # by make chapter
    assert [name for name in inline if name not in made and "NN" not in name and not (ROOT / name).exists()] == []
    ran = re.findall(r"(?<![\w/.-])((?:notebooks|tests|tools|requirements)[\w/-]*\.(?:txt|ipynb|py))", everything())
    assert [name for name in ran if name not in made and "NN" not in name and not (ROOT / name).exists()] == []


# -- templates


@pytest.mark.parametrize("form", FORMS, ids=[path.stem for path in FORMS])
def test_a_form_is_as_github_wants_it(form: Path) -> None:
    read = yaml.safe_load(text(form))
    assert set(read) == {"name", "description", "labels", "body"}
    assert {field["type"] for field in read["body"]} <= FIELDS
    ids = [field["id"] for field in read["body"] if field["type"] != "markdown"]
    assert len(ids) == len(set(ids)) > 0
    assert all(re.fullmatch(r"[a-z_-]+", name) for name in ids)
    for field in read["body"]:
        told = field["attributes"]
        assert "value" in told if field["type"] == "markdown" else "label" in told
        if field["type"] in ("dropdown", "checkboxes"):
            options = [one["label"] if isinstance(one, dict) else one for one in told["options"]]
            assert len(options) == len(set(options)) > 0


def test_a_report_needs_what_the_doctor_says() -> None:
    fields = {field.get("id"): field for field in yaml.safe_load(text(GITHUB / "ISSUE_TEMPLATE" / "bug.yml"))["body"]}
    assert fields["doctor"]["validations"]["required"] is True
    assert "python -m recsys_lab doctor" in fields["doctor"]["attributes"]["description"]
    assert set(yaml.safe_load(text(GITHUB / "ISSUE_TEMPLATE" / "config.yml"))) <= {
        "blank_issues_enabled",
        "contact_links",
    }
    assert {form.stem for form in FORMS} == {"bug", "feature", "question"}


# -- hooks


def test_hooks_are_local_and_call_what_is_pinned() -> None:
    (source,) = yaml.safe_load(text(HOOKS))["repos"]
    assert source["repo"] == "local"  # nothing is fetched
    pinned = set(re.findall(r"(?m)^([\w.-]+)(?:\[\w+\])?==", text("requirements-dev.txt")))
    for hook in source["hooks"]:
        assert hook["language"] == "system"
        program, module, *_ = hook["entry"].split()
        assert (ROOT / program).is_file()
        assert module in pinned or importlib.util.find_spec(module) is not None
    assert {hook["id"] for hook in source["hooks"]} == {"ruff-check", "ruff-format", "chapters"}


def test_the_hook_runs_the_environments_python(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None or os.name == "nt":
        pytest.skip("needs bash, and a program that is a script")
    hook = ROOT / "tools" / "hook"
    assert os.access(hook, os.X_OK)

    def call(venv: Path, *words: str) -> subprocess.CompletedProcess[str]:
        own = {**os.environ, "VENV": str(venv)}
        return subprocess.run([bash, hook, *words], capture_output=True, text=True, check=False, env=own, cwd=tmp_path)

    none = call(tmp_path / "none", "ruff")
    assert none.returncode == 1 and "make check" in none.stderr
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@"; exit 3\n')
    python.chmod(0o755)
    done = call(tmp_path / "venv", "ruff", "check", "a b.py")
    assert (done.returncode, done.stdout) == (3, "-m ruff check a b.py\n")


# -- pages


def test_three_commands_stand_first() -> None:
    block = re.search(r"(?ms)^## The three commands\n\n```\n(.*?)```", text("CONTRIBUTING.md"))
    assert block is not None
    assert re.findall(r"(?m)^make ([a-z]+)", block[1]) == ["lab", "notebooks", "test"]


def test_the_log_of_changes_is_that_of_this_version() -> None:
    headings = re.findall(r"(?m)^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", text("CHANGELOG.md"))
    assert headings[0] == ("Unreleased", "")
    assert headings[1][0] == PROJECT["version"]
    cited = yaml.safe_load(text("CITATION.cff"))
    assert headings[1] == (cited["version"], cited["date-released"])
    kinds = set(re.findall(r"(?m)^### (.+)$", text("CHANGELOG.md")))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security", "Known limits"}


def test_the_licence_of_contributions_is_that_of_the_repository() -> None:
    said = text("CONTRIBUTING.md").partition("## Licence")[2]
    for licence in ("MIT", "CC BY 4.0"):
        assert licence in said and licence in text("LICENSE")
    assert PROJECT["license"]["text"] == "MIT"


def test_nothing_of_this_computer_stands_in_it() -> None:
    assert (
        re.search(r"/home/|/root/|/work/|/tmp/|OWNER", "\n".join(map(text, [*WORKFLOWS.values(), *FORMS, HOOKS])))
        is None
    )
    assert re.search(r"/home/|/root/|/work/|/tmp/", text("CONTRIBUTING.md") + text("CHANGELOG.md")) is None
