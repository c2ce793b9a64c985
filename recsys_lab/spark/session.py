"""A Spark that keeps to itself: quiet, on this computer's own address alone, and gone without a trace."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

INSTALL = 'python -m pip install "pyspark>=4.0,<4.1"'
"""The line that installs Spark, about 450 MB; Java is not part of it."""

JAVA = (
    "install Java 17 (Debian, Ubuntu, Colab: apt-get install openjdk-17-jre-headless; macOS: brew install openjdk@17)"
    " and let JAVA_HOME name its folder"
)

_HERE = {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_LOCAL_HOSTNAME": "127.0.0.1"}  # else it looks up this computer's name
_QUIET = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.log.level": "ERROR"}


class SparkError(RuntimeError):
    """Spark cannot be started here; the message says what is missing."""


@contextmanager
def start(master: str = "local[2]", memory: str = "1g", conf: Mapping[str, str] | None = None) -> Iterator[Any]:
    """A SparkSession for the length of a `with` block; models that are fitted inside use it.

    `master` is "local[n]" for n cores of this computer, or the address of a cluster ("spark://…", "yarn"). `memory` is
    the driver's heap, fixed by the first session of a Python process: its Java lives as long as Python does. `conf`
    holds more settings of Spark, which win over those made here. A local session opens no port but on 127.0.0.1, asks
    no network, shows no page and no progress, and its files are in a temporary folder that goes with it.

    Raises `ModuleNotFoundError` without pyspark, `SparkError` without a Java that fits or where Spark does not start,
    `ValueError` when a session runs already (models use it as it is; what you started is yours to stop).
    """
    if active() is not None:
        raise ValueError("start: a Spark session runs already and models use it; call .stop() on it to have another")
    _check_java()
    folder = _folder()
    folder.mkdir(mode=0o700, exist_ok=True)
    settings = {"spark.app.name": "recsys-lab", "spark.driver.memory": memory, **_QUIET}
    settings |= {"spark.sql.warehouse.dir": str(folder / "warehouse"), "spark.sql.session.timeZone": "UTC"}
    if master.startswith("local"):
        settings |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
        settings |= {"spark.local.dir": str(folder), "spark.sql.shuffle.partitions": "2"}
    session = None
    try:
        session = _session({**settings, **(conf or {}), "spark.master": master})
        if master.startswith("local"):  # elsewhere it has to be a folder that all machines see
            session.sparkContext.setCheckpointDir(str(folder / "checkpoints"))
        yield session
    finally:
        try:
            if session is not None:
                session.stop()
        except ConnectionError as error:
            told = "Spark's Java has ended, most often for want of memory: start Python again, and give `memory` more"
            raise SparkError(told) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def active() -> Any:
    """The SparkSession that runs in this Python process, whoever started it; None where there is none."""
    sql = _pyspark()
    from pyspark import SparkContext

    if SparkContext._active_spark_context is None:  # none, or one that was stopped
        return None
    return sql.SparkSession.getActiveSession() or sql.SparkSession.builder.getOrCreate()  # the latter: another thread's


@contextmanager
def running(master: str) -> Iterator[Any]:
    """The session that runs already, left as it is; else one at `master`, for the length of the block."""
    found = active()
    if found is not None:
        yield found
        return
    with start(master) as session:
        yield session


def frame(session: Any, table: pd.DataFrame) -> Any:
    """A Spark DataFrame of a pandas one, by way of Arrow: no version of pandas is in Spark's way, no Python worker."""
    import pyarrow as pa

    return session.createDataFrame(pa.Table.from_pandas(table, preserve_index=False))


@cache
def _folder() -> Path:
    """One temporary folder for each Python process: its Java keeps to the first that it was given."""
    return Path(tempfile.mkdtemp(prefix="recsys-spark-"))


def _pyspark() -> Any:
    try:
        from pyspark import sql
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"training on Spark needs pyspark: {INSTALL}", name=error.name) from error
    return sql


def _check_java() -> None:
    """Raises `SparkError` where no Java starts that Spark 4.0 runs on: 17 and later, below 24."""
    home = os.environ.get("JAVA_HOME")
    command = str(Path(home) / "bin" / "java") if home else "java"
    where = f"JAVA_HOME={home}" if home else "the PATH (JAVA_HOME is not set)"
    try:
        said = subprocess.run([command, "-version"], capture_output=True, text=True, timeout=60, check=False).stderr
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SparkError(f"Spark needs Java, and none starts by {where} ({type(error).__name__}): {JAVA}") from error
    found = re.search(r'version "(?:1\.)?(\d+)', said)  # Java 8 calls itself 1.8
    if found is None:  # macOS has a java that only says where to get one
        raise SparkError(f"Spark needs Java, and none starts by {where}: {JAVA}")
    if not 17 <= int(found[1]) < 24:
        raise SparkError(f"Spark 4.0 runs on Java 17 or 21, and by {where} there is Java {found[1]}: {JAVA}")


def _session(settings: Mapping[str, str]) -> Any:
    """A new session; what its Java says while it starts is kept, and told only when it does not start."""
    sql = _pyspark()
    from py4j.protocol import Py4JError
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkRuntimeError
    from pyspark.java_gateway import launch_gateway

    conf = SparkConf(loadDefaults=False)
    conf.setAll(list(settings.items()))
    before = {name: os.environ.get(name) for name in _HERE}
    local = settings["spark.master"].startswith("local")
    with tempfile.TemporaryFile() as said:
        try:
            os.environ.update(_HERE if local else {})
            gateway = SparkContext._gateway or launch_gateway(conf, {"stdout": said, "stderr": said})
            return sql.SparkSession(SparkContext(conf=conf, gateway=gateway))
        except (PySparkRuntimeError, Py4JError, OSError) as error:
            cause = getattr(error, "java_exception", None)  # of a Java that runs; else what it said before it ended
            said.seek(0)
            lines = [line.strip() for line in said.read().decode(errors="replace").splitlines() if line.strip()]
            why = next((line for line in lines if "Exception" in line or "rror" in line), " / ".join(lines[-3:]))
            why = str(cause) if cause is not None else why or str(error)
            raise SparkError(f"Spark did not start at {settings['spark.master']}: {why}") from error
        finally:
            for name, value in before.items():
                os.environ.pop(name, None) if value is None else os.environ.update({name: value})
