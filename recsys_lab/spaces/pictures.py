"""Pictures to vectors: a descriptor of colour and shape that can be explained, and CLIP where a model is at hand."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsys_lab.spaces.encoder import EncoderUnavailable, model_folder, run_model, weights_identity
from recsys_lab.spaces.vectors import VectorCache, Vectors

if TYPE_CHECKING:
    from PIL.Image import Image

Picture = str | bytes | Path
"""An SVG as text or bytes, the bytes of a PNG, JPEG or WebP, or the path of a file with any of these."""

Matrix = NDArray[np.float64]

PIP_LINE = 'python -m pip install "pillow>=11,<13" "vl-convert-python>=1.7"'

VERSION = 1  # of the descriptor; with another number the vectors that are kept from before are not found any more
LIGHTNESSES, HUES = 5, 7  # bins of the colour histogram: dark to light; along each of the two axes of hue
HUE_RANGE = 0.28  # how far those axes reach: the colours of a screen lie within ±.28, but for a few glaring ones
SIDE, CELLS = 64, 8  # pictures are made as small as SIDE pixels; covered or not is said of CELLS × CELLS cells
CORNERS, ORIENTATIONS = 2, 8  # orientations of its edges are counted in CORNERS × CORNERS quarters
NEAR_BACKGROUND = 0.06  # in OKLab: a colour nearer than this to the border's is background

# Linear RGB to the cones' answers, and their cube roots to lightness, green to red, blue to yellow (Ottosson 2020).
_TO_CONES = np.array(
    [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
     [0.0883024619, 0.2817188376, 0.6299787005]]
)  # fmt: skip
_TO_LAB = np.array(
    [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
     [0.0259040371, 0.7827717662, -0.8086757660]]
)  # fmt: skip


class _PictureEncoder:
    """Each distinct picture once: from memory, from the file of kept vectors, else described now."""

    cache: bool | Path
    encoded_: int

    @property
    def dim(self) -> int:
        """Components of a vector."""
        raise NotImplementedError

    def encode(self, pictures: Sequence[Picture]) -> Vectors:
        """Vectors [len(pictures), dim] in float32, each of length 1.

        Raises `ValueError` or `TypeError` that names the first row that is no picture, and `EncoderUnavailable` with
        the line that installs what is needed and missing.
        """
        contents = read_contents(pictures)
        if not contents:
            return np.zeros((0, self.dim), dtype=np.float32)
        return self._vectors.encode(contents, lambda rows: self._make(contents, rows), unit="picture")

    def _make(self, contents: list[bytes], rows: list[int]) -> Vectors:
        made = self._describe(contents, rows)
        self.encoded_ += len(rows)
        return made

    @cached_property
    def _vectors(self) -> VectorCache:
        return VectorCache(self._identity(), "picture", None, self.cache)

    def _identity(self) -> str:
        raise NotImplementedError

    def _describe(self, contents: list[bytes], rows: list[int]) -> Vectors:
        raise NotImplementedError


class ColourAndShape(_PictureEncoder):
    """Pictures to unit vectors: which colours the product has, and the outline it has.

    Colours are a histogram (Swain & Ballard 1991) in OKLab, a space in which distances are about what the eye sees.
    Shape is the silhouette, centred and scaled to one size: which of 8 × 8 cells it covers, and the directions of its
    edges in each quarter (Dalal & Triggs 2005). The background is what is transparent, else what has the border's
    colour.

    Both halves have length 1 and enter with √colour and √(1 − colour): the cosine of two pictures is then `colour`
    times the cosine of their colours plus `1 - colour` times that of their shapes. `cache` says where vectors are kept
    (True: the course's folder; False: in memory; or a folder). `encoded_` counts the pictures described so far.

    >>> square = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M2 2H7V7H2Z" fill="{}"/></svg>'
    >>> red, blue = ColourAndShape(colour=0.25, cache=False).encode([square.format("red"), square.format("blue")])
    >>> round(float(red @ blue), 3)  # no colour in common, the shape is the same
    0.75
    """

    def __init__(self, colour: float = 0.3, cache: bool | Path = True) -> None:
        if not 0 <= colour <= 1:
            raise ValueError(f"colour: {colour} is no share; give a number from 0 (shape alone) to 1 (colour alone)")
        self.colour, self.cache = colour, cache
        self.encoded_ = 0

    @property
    def name(self) -> str:
        """The descriptor and its share of colour."""
        return f"colour {self.colour:g} and shape {1 - self.colour:g}"

    @property
    def dim(self) -> int:
        """Components of a vector: the colours' and then the shape's."""
        return LIGHTNESSES * HUES**2 + CELLS**2 + CORNERS**2 * ORIENTATIONS

    def _identity(self) -> str:
        return f"colour and shape {VERSION} {float(self.colour)!r}"

    def _describe(self, contents: list[bytes], rows: list[int]) -> Vectors:
        return np.stack([self._one(read_image(contents[row], row, SIDE)) for row in rows]).astype(np.float32)

    def _one(self, image: Image) -> Matrix:
        pixels = np.asarray(image, dtype=np.float64) / 255
        lab = oklab(pixels[..., :3])
        product = silhouette(lab, pixels[..., 3])
        colours, outline = colour_histogram(lab, product), shape(product)
        return np.concatenate([np.sqrt(self.colour) * colours, np.sqrt(1 - self.colour) * outline])


class ClipEncoder(_PictureEncoder):
    """Pictures to unit vectors by CLIP (Radford et al. 2021): what they show, not only how they look.

    `model` is a folder with a CLIP model, or its name on the model hub ("sentence-transformers/clip-ViT-B-32"); none
    comes with the course. What is transparent is shown on white. `cache` and `encoded_` are as in `ColourAndShape`;
    `device` is where torch computes.
    """

    def __init__(self, model: str | Path, cache: bool | Path = True, device: str = "cpu") -> None:
        self.model, self.cache, self.device = model, cache, device
        self.encoded_ = 0

    @property
    def name(self) -> str:
        """The model's name: the last part of its folder or of its name on the hub."""
        return Path(self.model).resolve().name

    @cached_property
    def dim(self) -> int:
        """Components of a vector; to know them loads the model."""
        from PIL import Image

        white = Image.new("RGB", (64, 64), "white")
        return int(run_model(self.model, self.device, [white], "the number of its components").shape[1])

    def _identity(self) -> str:
        return weights_identity(model_folder(self.model))

    def _describe(self, contents: list[bytes], rows: list[int]) -> Vectors:
        images = [_on_white(read_image(contents[row], row)) for row in rows]
        return run_model(self.model, self.device, images, f"the picture in row {rows[0]}")


def read_contents(pictures: Sequence[Picture]) -> list[bytes]:
    """The bytes of each picture; a text that begins with < is an SVG, any other the path of a file."""
    if isinstance(pictures, str | bytes | Path):
        raise TypeError("pictures: this is one picture alone; give a list of pictures")
    contents = []
    for row, picture in enumerate(pictures):
        if isinstance(picture, bytes):
            contents.append(picture)
        elif isinstance(picture, str) and picture.lstrip("\ufeff \t\r\n").startswith("<"):
            contents.append(picture.encode())
        elif isinstance(picture, str | Path):
            contents.append(_read_file(picture, row))
        else:
            raise TypeError(
                f"pictures, row {row}: {picture!r} is no picture; give an SVG as text, a file's path, or its bytes"
            )
    return contents


def _read_file(path: str | Path, row: int) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(
            f"pictures, row {row}: {str(path)[:80]!r} is no SVG, and no file that can be read ({reason})"
        ) from error


def read_image(content: bytes, row: int, largest: int | None = None) -> Image:
    """A picture's pixels with transparency, upright, at most `largest` pixels a side. Raises `ValueError`."""
    try:
        from PIL import Image, ImageOps
    except ModuleNotFoundError as error:
        raise EncoderUnavailable(
            f"pictures are read by Pillow, which is not installed ({error}): {PIP_LINE}"
        ) from error
    is_svg = content.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")
    try:
        with Image.open(io.BytesIO(_drawn(content) if is_svg else content), formats=("PNG", "JPEG", "WEBP")) as file:
            image = ImageOps.exif_transpose(file).convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"pictures, row {row}: this cannot be read as {'an SVG' if is_svg else 'a PNG, JPEG or WebP'} ({error});"
            " leave the row out, or mend the picture"
        ) from error
    if largest is not None:
        image.thumbnail((largest, largest))
    return image


def _drawn(svg: bytes) -> bytes:
    """An SVG as a PNG, by vl-convert, which needs no browser."""
    try:
        import vl_convert
    except ModuleNotFoundError as error:
        raise EncoderUnavailable(f"SVG is drawn by vl-convert, which is not installed ({error}): {PIP_LINE}") from error
    try:
        return bytes(vl_convert.svg_to_png(svg.decode("utf-8-sig")))
    except RuntimeError as error:  # its text goes on with a trace of the drawing program
        raise ValueError(str(error).splitlines()[0]) from None


def _on_white(image: Image) -> Image:
    from PIL import Image as Pillow

    white = Pillow.new("RGBA", image.size, "white")
    return Pillow.alpha_composite(white, image).convert("RGB")


def oklab(rgb: Matrix) -> Matrix:
    """Colours [..., 3] of a screen, 0 to 1, as lightness, green to red, blue to yellow.

    >>> oklab(np.array([1.0, 1.0, 1.0])).round(3).tolist()
    [1.0, 0.0, 0.0]
    """
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return np.asarray(np.cbrt(linear @ _TO_CONES.T) @ _TO_LAB.T)


def silhouette(lab: Matrix, alpha: Matrix) -> Matrix:
    """How far each pixel [height, width] belongs to the product, 0 to 1: no background, and not transparent."""
    if alpha.min() < 0.5:
        return alpha
    border = np.concatenate([lab[0], lab[-1], lab[:, 0], lab[:, -1]])
    product = (np.linalg.norm(lab - np.median(border, axis=0), axis=-1) > NEAR_BACKGROUND).astype(np.float64)
    # Where nearly nothing stands out there is no background to tell from: the picture is a swatch of cloth, say.
    return product if product.mean() > 0.01 else np.ones_like(product)


def colour_histogram(lab: Matrix, product: Matrix) -> Matrix:
    """How much of the product has which colour, at length 1.

    Each pixel is shared among the eight bins around its colour, so that a colour near the border of two bins counts
    for both. Square roots keep one large area from hiding the rest.
    """
    size = np.array([LIGHTNESSES, HUES, HUES])
    lowest, highest = np.array([0.0, -HUE_RANGE, -HUE_RANGE]), np.array([1.0, HUE_RANGE, HUE_RANGE])
    place = np.clip((lab.reshape(-1, 3) - lowest) / (highest - lowest), 0, 1) * (size - 1)
    bin_below = np.minimum(place.astype(np.int64), size - 2)
    beyond = place - bin_below
    histogram = np.zeros(size.prod())
    for step in np.ndindex(2, 2, 2):
        share = np.where(step, beyond, 1 - beyond).prod(axis=1) * product.ravel()
        bins = np.ravel_multi_index(tuple((bin_below + step).T), tuple(size))
        histogram += np.bincount(bins, weights=share, minlength=len(histogram))
    return _unit(np.sqrt(histogram))


def shape(product: Matrix) -> Matrix:
    """The outline of the silhouette, at length 1: covered cells, then directions of edges, weighted alike."""
    drawn = _in_the_middle(product)
    cells = drawn.reshape(CELLS, SIDE // CELLS, CELLS, SIDE // CELLS).mean(axis=(1, 3)).ravel()
    # Less the mean, since what two silhouettes have in common is mostly that both cover the middle.
    return _unit(np.concatenate([_unit(cells - cells.mean()), _unit(_edges(drawn))]))


def _in_the_middle(product: Matrix) -> Matrix:
    """The silhouette cut out, in the middle of a square, at SIDE × SIDE pixels."""
    from PIL import Image

    rows, columns = (np.flatnonzero((product > 0.5).any(axis=axis)) for axis in (1, 0))
    if not len(rows):  # all of it is half transparent at most
        return np.ones((SIDE, SIDE))
    cut = product[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    square = np.zeros((max(cut.shape), max(cut.shape)))
    top, left = (np.array(square.shape) - cut.shape) // 2
    square[top : top + cut.shape[0], left : left + cut.shape[1]] = cut
    picture = Image.fromarray(np.rint(square * 255).astype(np.uint8))
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.float64) / 255


def _edges(drawn: Matrix) -> Matrix:
    """A histogram of the edges' directions in each quarter of the picture, stronger edges counting for more."""
    down, right = np.gradient(drawn)
    direction = np.mod(np.arctan2(down, right), np.pi) / np.pi * ORIENTATIONS  # an edge and its opposite are the same
    strength = np.hypot(down, right)
    quarter = np.add.outer(np.arange(SIDE) * CORNERS // SIDE * CORNERS, np.arange(SIDE) * CORNERS // SIDE)
    below = np.floor(direction)
    histogram = np.zeros(CORNERS**2 * ORIENTATIONS)
    for step, share in ((0, 1 - (direction - below)), (1, direction - below)):
        bins = quarter * ORIENTATIONS + (below.astype(np.int64) + step) % ORIENTATIONS
        histogram += np.bincount(bins.ravel(), weights=(strength * share).ravel(), minlength=len(histogram))
    return histogram


def _unit(vector: Matrix) -> Matrix:
    length = float(np.linalg.norm(vector))
    return vector / length if length > 1e-9 else np.full_like(vector, len(vector) ** -0.5)
