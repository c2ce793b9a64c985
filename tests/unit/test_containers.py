"""The container files against what they name: paths, options, extras, environment, addresses. Nothing is built."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from urllib.parse import urlsplit

import pytest
import typer

from recsys_lab.cli import app

yaml = pytest.importorskip("yaml", reason="PyYAML comes with the shop's server")

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "containers.md").read_text(encoding="utf-8")
DOCKERFILE = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.M).replace("\\\n", " ")
PINNED = re.compile(r"[a-z/]+:v?\d+\.\d+\.\d+[a-z0-9-]*(@sha256:[0-9a-f]{64})?")
REFERENCE = re.compile(r"\$\{(\w+):-([^}]*)\}")
SERVERS = ("redis", "postgres", "qdrant")


def instructions(word: str) -> list[str]:
    """The arguments of an instruction, each time it is in the Dockerfile."""
    return re.findall(rf"^{word}\s+(.+)$", DOCKERFILE, flags=re.M)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose["services"]
    return found


def shops(services: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: one for name, one in services.items() if "build" in one}


def arguments(service: dict[str, Any]) -> list[str]:
    """What the shop is started with, the defaults of compose put in."""
    (entry,) = instructions("ENTRYPOINT")
    whole: list[str] = [*yaml.safe_load(entry), *service.get("command", ())]
    return [REFERENCE.sub(lambda found: found[2], word) for word in whole]


def parsed(service: dict[str, Any]) -> dict[str, Any]:
    """The same, read by the real command line: an option that it does not have ends the test."""
    interpreter, m, module, command, *options = arguments(service)
    assert (interpreter, m, module) == ("python", "-m", "recsys_lab")
    shop = typer.main.get_command(app).commands[command]  # type: ignore[attr-defined]
    params: dict[str, Any] = shop.make_context(command, options).params
    return params


def texts(value: Any) -> Iterator[str]:
    """Every text in a tree of YAML."""
    if isinstance(value, dict):
        value = [*value.values()]
    if isinstance(value, list):
        for one in value:
            yield from texts(one)
    elif isinstance(value, str):
        yield value


# -- the Dockerfile ---------------------------------------------------------------------------------------------------


def sources() -> list[str]:
    """What is copied from the repository."""
    return [one for line in instructions("COPY") if "--from=" not in line for one in line.split()[:-1]]


def test_what_is_copied_is_there_and_nothing_else_is_sent() -> None:
    assert [path for path in sources() if not (ROOT / path).exists()] == []
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert sorted(rule[1:] for rule in rules if rule.startswith("!")) == sorted(sources())
    assert [rule for rule in rules[1:] if not rule.startswith("!")] == ["**/__pycache__"]


def test_what_the_wheel_needs_is_copied() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]) <= set(sources())
    assert project["project"]["readme"] in sources()
    page = ROOT / "recsys_lab" / "shop" / "page"
    assert {"index.html", "shop.css", "shop.js"} <= {path.name for path in page.iterdir()}


def test_its_extras_exist() -> None:
    (named,) = re.findall(r"\.whl\)\[([a-z,]+)\]", DOCKERFILE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(named.split(",")) == {"shop", "vectors", "models", "live"}
    assert set(named.split(",")) <= set(project["optional-dependencies"])


def test_its_constraints_have_no_extras() -> None:
    pattern = re.search(r"sed '(s/[^']+)' requirements\.txt", DOCKERFILE)
    assert pattern is not None and pattern[1] == r"s/\[[a-z]*\]//"
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    left = [re.sub(r"\[[a-z]*\]", "", line, count=1).split("#")[0] for line in lines]
    assert [line for line in left if "[" in line or " -" in line or line.startswith("-")] == []


def test_its_python_is_pinned_and_supported() -> None:
    base, *stages = instructions("FROM")
    image, _, name = base.partition(" AS ")
    assert PINNED.fullmatch(image)
    assert stages == [f"{name} AS build", f"{name} AS shop"]
    minor = re.fullmatch(r"python:3\.(\d+)\..*", image)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    limits = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", project["requires-python"])
    assert minor is not None and limits is not None
    assert int(limits[1]) <= int(minor[1]) < int(limits[2])


def test_what_runs_is_nobody_who_owns_its_folder() -> None:
    (user,) = instructions("USER")
    number, group = user.split(":")
    assert int(number) > 0 and int(group) > 0
    assert f"useradd --uid {number}" in DOCKERFILE and f"groupadd --gid {group}" in DOCKERFILE
    assert re.search(r"install --directory --owner shop --group shop --mode 700 /shop\b", DOCKERFILE)
    last = DOCKERFILE[DOCKERFILE.rindex("FROM ") :]
    assert "USER" in last and "pip" not in last


# -- compose.yaml -----------------------------------------------------------------------------------------------------


def test_the_plain_shop_needs_no_profile_and_the_rest_has_one(services: dict[str, dict[str, Any]]) -> None:
    assert set(services) == {"shop", "shop-on-servers", *SERVERS}
    assert {name for name, one in services.items() if not one.get("profiles")} == {"shop"}
    assert all(one["profiles"] == ["servers"] for name, one in services.items() if name != "shop")
    waits = services["shop-on-servers"]["depends_on"]
    assert waits == {name: {"condition": "service_healthy"} for name in SERVERS}
    assert "depends_on" not in services["shop"]


def test_every_image_is_pinned(services: dict[str, dict[str, Any]]) -> None:
    images = {name: one["image"] for name, one in services.items() if "image" in one}
    assert set(images) == set(SERVERS)
    assert [image for image in images.values() if not PINNED.fullmatch(image)] == []
    assert images["redis"].startswith("redis:8.")
    assert images["postgres"].startswith("pgvector/pgvector:")
    assert {one["build"] for one in shops(services).values()} == {"."}


@pytest.mark.parametrize("image", ["redis", "redis:latest", "redis:8", "pgvector/pgvector:pg17"])
def test_a_name_without_a_whole_version_is_not_pinned(image: str) -> None:
    assert not PINNED.fullmatch(image)


def test_only_the_shops_are_reached_and_only_from_here(services: dict[str, dict[str, Any]]) -> None:
    assert {name for name, one in services.items() if one.get("ports")} == set(shops(services))
    published = [port for one in services.values() for port in one.get("ports", ())]
    hosts = [re.fullmatch(r"127\.0\.0\.1:(\d+):8000", port) for port in published]
    assert None not in hosts
    assert len({found[1] for found in hosts if found is not None}) == len(published) == 2
    assert instructions("EXPOSE") == ["8000"]
    assert not any("network_mode" in one or "privileged" in one for one in services.values())


def test_databases_are_in_a_network_that_leads_nowhere(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert compose["networks"]["databases"]["internal"] is True
    assert [services[name]["networks"] for name in SERVERS] == [["databases"]] * 3
    assert "databases" in services["shop-on-servers"]["networks"]
    assert "networks" not in services["shop"]


def test_every_service_is_guarded_and_asked_for_its_health(services: dict[str, dict[str, Any]]) -> None:
    for name, one in services.items():
        assert one["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL"), name
        assert one["read_only"] is True, name
        assert one["cap_drop"] == ["ALL"] and "cap_add" not in one, name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert one["mem_limit"], name
        assert one.get("user") != "root", name
        as_nobody = "build" in one or "user" in one or one["image"].endswith("-unprivileged")
        assert as_nobody, name


def test_the_health_of_the_shop_is_an_address_that_it_has(services: dict[str, dict[str, Any]]) -> None:
    pytest.importorskip("fastapi")
    from recsys_lab.shop.app import create_app

    for one in shops(services).values():
        _, python, c, program = one["healthcheck"]["test"]
        assert (python, c) == ("python", "-c")
        (address,) = [node.value for node in ast.walk(ast.parse(program)) if isinstance(node, ast.Constant)
                      and isinstance(node.value, str)]  # fmt: skip
        asked = urlsplit(address)
        assert asked.hostname == "127.0.0.1" and asked.port == parsed(one)["port"]
        assert asked.path in create_app(Mock(), token="t" * 16, secret="s" * 16).openapi()["paths"]


def test_what_lasts_is_in_named_volumes(compose: dict[str, Any]) -> None:
    mounts = {name: one["volumes"] for name, one in compose["services"].items()}
    assert all(len(each) == 1 for each in mounts.values())
    named = {name: each[0].split(":") for name, each in mounts.items()}
    assert {volume for volume, _ in named.values()} == set(compose["volumes"]) == set(mounts)
    assert named["redis"][1] == "/data"
    assert named["postgres"][1] == "/var/lib/postgresql/data"
    assert named["qdrant"][1] == "/qdrant/storage"
    for name, one in shops(compose["services"]).items():
        assert named[name][1] == str(parsed(one)["folder"]) == instructions("WORKDIR")[-1]


# -- what the shop is told --------------------------------------------------------------------------------------------


def test_the_command_lines_are_the_shops(services: dict[str, dict[str, Any]]) -> None:
    alone, with_servers = parsed(services["shop"]), parsed(services["shop-on-servers"])
    assert alone["host"] == with_servers["host"] == "0.0.0.0"
    assert (alone["state"], alone["store"]) == (None, None)
    assert urlsplit(with_servers["state"]).hostname == "redis"
    assert urlsplit(with_servers["store"]).hostname == "postgres"


def test_a_command_line_with_a_slip_does_not_pass(services: dict[str, dict[str, Any]]) -> None:
    with pytest.raises(Exception, match=r"(?i)no such option"):
        parsed({**services["shop"], "command": ["--no-such-option"]})


def test_addresses_are_those_of_the_servers(services: dict[str, dict[str, Any]]) -> None:
    told = services["postgres"]["environment"]
    store = urlsplit(parsed(services["shop-on-servers"])["store"])
    assert (store.username, store.path) == (told["POSTGRES_USER"], "/" + told["POSTGRES_DB"])
    assert store.password is None
    state = urlsplit(parsed(services["shop-on-servers"])["state"])
    assert (state.scheme, state.port, store.scheme, store.port) == ("redis", 6379, "postgresql", 5432)
    (other,) = set(re.findall(r"SHOP_STORE=(qdrant://[\w:]+)", DOCS))
    assert urlsplit(other).hostname in services and urlsplit(other).port == 6333


def test_redis_keeps_what_it_has_acknowledged(services: dict[str, dict[str, Any]]) -> None:
    _, *options = services["redis"]["command"]
    told = dict(zip(options[::2], options[1::2], strict=True))
    assert (told["--appendonly"], told["--appendfsync"]) == ("yes", "always")
    assert all(isinstance(word, str) for word in options)  # YAML's own yes would be true


def test_the_shops_environment_is_read(services: dict[str, dict[str, Any]], tmp_path: Path, monkeypatch: Any) -> None:
    pytest.importorskip("itsdangerous")
    pytest.importorskip("uvicorn")
    from recsys_lab.shop import serve
    from recsys_lab.shop.security import kept_secret

    calls = [node for node in ast.walk(ast.parse(Path(serve.__file__).read_text(encoding="utf-8")))
             if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "kept_secret"]  # fmt: skip
    read = {f"RECSYS_LAB_{call.args[0].value.upper()}" for call in calls}  # type: ignore[attr-defined]
    told = {name for one in shops(services).values() for name in one["environment"] if name != "PGPASSWORD"}
    assert told == read == {"RECSYS_LAB_TOKEN", "RECSYS_LAB_SECRET"}
    for name in sorted(told):
        kind = name.removeprefix("RECSYS_LAB_").lower()
        monkeypatch.setenv(name, f"{kind} of the environment")
        assert kept_secret(kind, tmp_path) == f"{kind} of the environment"
        monkeypatch.setenv(name, "")  # what compose passes on when it is not set
        assert kept_secret(kind, tmp_path) == (tmp_path / kind).read_text(encoding="utf-8")


def test_the_password_of_postgres_reaches_the_client(services: dict[str, dict[str, Any]]) -> None:
    told = services["shop-on-servers"]["environment"]
    assert told["PGPASSWORD"] == services["postgres"]["environment"]["POSTGRES_PASSWORD"]
    psycopg = pytest.importorskip("psycopg")
    read = {one.envvar for one in psycopg.pq.Conninfo.get_defaults()}
    assert b"PGPASSWORD" in read


def test_secrets_come_from_outside(services: dict[str, dict[str, Any]]) -> None:
    given = [(name, value) for one in services.values() for name, value in one.get("environment", {}).items()]
    kept = [(name, value) for name, value in given if re.search("TOKEN|SECRET|PASSWORD|KEY", name)]
    assert len(kept) == 6
    assert [name for name, value in kept if not re.fullmatch(r"\$\{\w+:-\}", value)] == []
    assert re.findall("TOKEN|SECRET|PASSWORD", DOCKERFILE) == []


# -- docs/containers.md -----------------------------------------------------------------------------------------------


def test_the_reader_is_told_each_variable_and_address(compose: dict[str, Any]) -> None:
    used = {found[1] for text in texts(compose) for found in REFERENCE.finditer(text)}
    assert used == set(re.findall(r"^\| `([A-Z_]+)` \|", DOCS, flags=re.M))
    assert [text for text in texts(compose) if "$" in REFERENCE.sub("", text)] == []
    for one in shops(compose["services"]).values():
        assert f"http://{one['ports'][0].removesuffix(':8000')}/" in DOCS


def test_the_readers_commands_name_services(services: dict[str, dict[str, Any]]) -> None:
    lines = [shlex.split(found) for found in re.findall(r"`docker compose ([^`]+)`", DOCS)]
    verbs = {"up", "ps", "exec", "stop", "down"}
    for words in lines:
        plain = [word for word in words if not word.startswith("-") and word != "servers"]
        assert plain[0] in verbs, words
        if plain[0] in ("up", "exec"):
            assert set(plain[1:2]) <= set(services), words
    assert len(lines) >= 6
