"""The descriptor of pictures: what it sees, what it reads, what it keeps; and CLIP with a tiny model of its own."""

from __future__ import annotations

import importlib.util
import io
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys_lab.simulate.pictures import draw
from recsys_lab.spaces import pictures as module
from recsys_lab.spaces.encoder import EncoderUnavailable
from recsys_lab.spaces.pictures import ClipEncoder, ColourAndShape, oklab

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed (requirements.txt)")
pytest.importorskip("vl_convert", reason="vl-convert-python is not installed (requirements.txt)")
ROOT = Path(__file__).resolve().parents[2]
SOCK, BOOT = draw("socks", "red", "plain"), draw("boots", "red", "plain")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RECSYS_LAB_CACHE", str(tmp_path / "cache"))


def picture(*rectangles, size=(60, 60), background=(255, 255, 255), mode="RGB"):
    made = Image.new(mode, size, background)
    for colour, box in rectangles:
        made.paste(colour, box)
    return made


def packed(image, kind="PNG", **how):
    file = io.BytesIO()
    image.save(file, kind, **how)
    return file.getvalue()


def cosine(first, second, colour):
    one, two = ColourAndShape(colour=colour, cache=False).encode([first, second])
    return float(one @ two)


@pytest.fixture(scope="module")
def described(shop):
    """For each product, whether its five nearest by the descriptor share its colour, and its category; and by chance.

    The second time, products that have the very same picture are left out of the lists.
    """
    products = shop.products
    made = ColourAndShape(cache=False).encode(products["picture"])
    alike = made @ made.T
    np.fill_diagonal(alike, -2)
    drawing = pd.factorize(products["picture"])[0]
    found = {}
    for which, scores in (("all", alike), ("others", np.where(drawing[:, None] == drawing, -2, alike))):
        nearest = np.argsort(-scores, axis=1, kind="stable")[:, :5]
        for what in ("colour", "category"):
            values = products[what].to_numpy(dtype=str)
            found[which, what] = (values[nearest] == values[:, None]).mean()
            found["chance", what] = (values[:, None] == values).sum(axis=1).mean() / len(values)
    return found


class TestQuality:
    def test_neighbours_share_colour_and_category_far_above_chance(self, described):
        print({key: round(float(share), 3) for key, share in described.items()})
        for what in ("colour", "category"):
            assert described["chance", what] < 0.11
            assert described["all", what] > 0.90
            assert described["others", what] > 0.65

    def test_colour_alone_and_shape_alone(self):
        red, blue, boot = SOCK, draw("socks", "blue", "plain"), BOOT
        assert cosine(red, boot, 1) > 0.9 and cosine(red, blue, 1) < 0.5
        assert cosine(red, blue, 0) > 0.99 and cosine(red, boot, 0) < 0.5

    def test_the_share_of_colour_is_a_share_of_the_cosine(self):
        other = draw("boots", "pink", "dotted")
        colour, shape = cosine(SOCK, other, 1), cosine(SOCK, other, 0)
        for share in (0.2, 0.3, 0.9):
            assert cosine(SOCK, other, share) == pytest.approx(share * colour + (1 - share) * shape, abs=1e-6)

    def test_near_colours_are_nearer_than_far_ones(self):
        def swatch(*colour):
            return packed(Image.new("RGB", (20, 20), colour))

        navy = swatch(31, 42, 84)
        alike = [cosine(navy, swatch(*other), 1) for other in ((25, 38, 80), (50, 80, 160), (240, 220, 60))]
        assert alike == sorted(alike, reverse=True) and alike[0] > 0.9 and alike[2] < 0.2

    def test_place_size_and_background_do_not_matter(self):
        here = packed(picture(((200, 30, 30), (5, 5, 25, 35))))
        there = packed(picture(((200, 30, 30), (60, 100, 100, 160)), size=(200, 200), background=(20, 20, 20)))
        clear = packed(picture(((200, 30, 30, 255), (5, 5, 25, 35)), background=(0, 0, 0, 0), mode="RGBA"))
        other = packed(picture(((200, 30, 30), (5, 5, 55, 15))))
        for same in (there, clear):
            assert cosine(here, same, 0) > 0.95 and cosine(here, same, 1) > 0.95
        assert cosine(here, other, 0) < 0.3

    def test_a_picture_with_nothing_in_front_is_a_swatch_of_its_colour(self):
        red, deep = packed(picture(background=(200, 30, 30))), packed(picture(background=(190, 30, 30)))
        clear = packed(picture(background=(0, 0, 0, 0), mode="RGBA"))
        made = ColourAndShape(cache=False).encode([red, deep, clear])
        assert np.allclose(np.linalg.norm(made, axis=1), 1, atol=1e-6) and made[0] @ made[1] > 0.9

    def test_oklab_is_the_published_one(self):
        primaries = {
            (1, 0, 0): (0.628, 0.225, 0.126),
            (0, 1, 0): (0.866, -0.234, 0.179),
            (0, 0, 1): (0.452, -0.032, -0.312),
        }
        for rgb, lab in primaries.items():
            assert oklab(np.array(rgb, dtype=float)) == pytest.approx(lab, abs=1e-3)

    def test_the_descriptor_has_not_changed(self):
        """When this fails on purpose, count `VERSION` up: vectors that were kept before are of another kind."""
        made = ColourAndShape(cache=False).encode([draw("dresses", "navy", "striped"), SOCK])
        assert module.VERSION == 1
        places = [np.argsort(-row, kind="stable")[:3].tolist() for row in made]
        assert places == [[171, 121, 317], [317, 309, 137]]
        values = [made[0, places[0]], made[1, places[1]]]
        assert np.allclose(values, [[0.2749, 0.2702, 0.2595], [0.3508, 0.3310, 0.2891]], atol=2e-3)
        assert made.sum(axis=1) == pytest.approx([4.170, 3.408], abs=2e-2)


class TestReading:
    def test_the_same_picture_in_each_form(self, tmp_path):
        image = picture(((200, 30, 30), (10, 10, 40, 50)))
        file = tmp_path / "one.png"
        image.save(file)
        svg = tmp_path / "sock.svg"
        svg.write_text(SOCK, encoding="utf-8")
        made = ColourAndShape(cache=False).encode(
            [packed(image), file, str(file), packed(image, "WEBP", lossless=True), packed(image, "JPEG", quality=95)]
        )
        assert np.array_equal(made[0], made[1]) and np.array_equal(made[0], made[2])
        assert np.allclose(made[0], made[3], atol=1e-3) and made[0] @ made[4] > 0.95
        drawn = ColourAndShape(cache=False).encode(
            [SOCK, SOCK.encode(), svg, "\n" + SOCK, f'<?xml version="1.0"?>{SOCK}', b"\xef\xbb\xbf" + SOCK.encode()]
        )
        assert np.allclose(drawn, drawn[0], atol=1e-6)

    def test_a_turned_photo_is_seen_upright(self):
        turned = Image.Exif()
        turned[0x0112] = 6
        upright = picture(((200, 30, 30), (10, 5, 30, 55)))
        photo = packed(upright.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=turned, quality=95)
        assert cosine(packed(upright), photo, 0) > 0.95

    @pytest.mark.parametrize("mode", ["L", "P", "CMYK", "1", "LA"])
    def test_other_modes(self, mode):
        image = picture(((200, 30, 30), (10, 10, 40, 50))).convert(mode)
        made = ColourAndShape(cache=False).encode([packed(image, "JPEG" if mode == "CMYK" else "PNG")])
        assert np.isfinite(made).all()

    @pytest.mark.parametrize("size", [(1, 1), (1, 5000), (3000, 2)])
    def test_odd_sizes(self, size):
        made = ColourAndShape(cache=False).encode([packed(Image.new("RGB", size, "red"))])
        assert np.linalg.norm(made) == pytest.approx(1)

    @pytest.mark.parametrize(
        ("pictures", "error", "says"),
        [
            (
                [SOCK, "no_such.png"],
                ValueError,
                "row 1: 'no_such.png' is no SVG, and no file that can be read .No such",
            ),
            ([SOCK, "x" * 5000], ValueError, "row 1: .* no file that can be read"),
            (["a\0b"], ValueError, "row 0: .* no file that can be read"),
            ([SOCK, b"GIF89a"], ValueError, "row 1: this cannot be read as a PNG, JPEG or WebP"),
            ([b""], ValueError, "row 0: this cannot be read"),
            ([SOCK, "<svg"], ValueError, "row 1: this cannot be read as an SVG"),
            ([SOCK, "<html><body>404</body></html>"], ValueError, "row 1: this cannot be read as an SVG"),
            ([b"<svg \xff"], ValueError, "row 0: this cannot be read as an SVG"),
            ([SOCK, None], TypeError, "row 1: None is no picture"),
            ([float("nan")], TypeError, "row 0: nan is no picture"),
            (SOCK, TypeError, "one picture alone; give a list"),
        ],
    )
    def test_what_is_no_picture_is_named_by_its_row(self, pictures, error, says):
        with pytest.raises(error, match=says):
            ColourAndShape(cache=False).encode(pictures)

    def test_a_cut_file_is_an_error(self):
        for kind in ("PNG", "JPEG"):
            whole = packed(picture(((200, 30, 30), (10, 10, 40, 50)), size=(300, 300)), kind)
            with pytest.raises(ValueError, match="row 0: this cannot be read as a PNG"):
                ColourAndShape(cache=False).encode([whole[: len(whole) // 2]])

    @pytest.mark.parametrize("colour", [-0.1, 1.5, float("nan")])
    def test_a_share_is_from_0_to_1(self, colour):
        with pytest.raises(ValueError, match=r"colour: .* is no share"):
            ColourAndShape(colour=colour)

    @pytest.mark.parametrize(("missing", "says"), [("PIL", "read by Pillow"), ("vl_convert", "drawn by vl-convert")])
    def test_what_is_not_installed_is_named_with_its_line(self, monkeypatch, missing, says):
        monkeypatch.setitem(sys.modules, missing, None)
        with pytest.raises(EncoderUnavailable, match=says) as caught:
            ColourAndShape(cache=False).encode([SOCK])
        assert str(caught.value).endswith(module.PIP_LINE)

    def test_the_line_is_the_package_s_own(self):
        extra = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
        assert [line for line in extra["pictures"] if f'"{line}"' not in module.PIP_LINE] == []


class TestKept:
    def test_each_drawing_once_and_no_second_time(self, shop):
        drawings = shop.products["picture"].head(100)
        encoder = ColourAndShape()
        made = encoder.encode(drawings)
        again = ColourAndShape()
        assert np.array_equal(again.encode(drawings), made) and made.dtype == np.float32
        assert (encoder.encoded_, again.encoded_) == (drawings.nunique(), 0)
        assert made.shape == (100, encoder.dim) and encoder.encode([]).shape == (0, encoder.dim)

    def test_another_share_of_colour_has_other_vectors(self):
        first, second = (ColourAndShape(colour).encode([SOCK]) for colour in (0.2, 0.3))
        assert not np.allclose(first, second)
        assert np.array_equal(ColourAndShape(0.2).encode([SOCK]), first)

    def test_a_changed_file_under_the_same_name(self, tmp_path):
        file = tmp_path / "one.svg"
        made = []
        for drawing in (SOCK, BOOT):
            file.write_text(drawing, encoding="utf-8")
            made.append(ColourAndShape().encode([file])[0])
        assert not np.allclose(*made)

    def test_it_needs_no_torch(self):
        code = """
import sys
for name in ("torch", "sentence_transformers", "transformers"):
    sys.modules[name] = None
from recsys_lab.datasets import load_shop
from recsys_lab.spaces.pictures import ColourAndShape
print("PIL" in sys.modules, ColourAndShape().encode(load_shop(impressions=False).products["picture"][:3]).shape)
"""
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=os.environ, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == f"False (3, {ColourAndShape().dim})"


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A CLIP of 12 components with random weights, made here: the real classes, and no hub."""
    if importlib.util.find_spec("sentence_transformers") is None:
        pytest.skip("sentence-transformers is not installed (requirements.txt)")
    import torch
    import transformers

    torch.manual_seed(0)
    tiny = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    words = {"vocab_size": 4, "max_position_embeddings": 16, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    config = transformers.CLIPConfig(
        text_config=tiny | words, vision_config=tiny | {"image_size": 32, "patch_size": 8}, projection_dim=12
    )
    folder = tmp_path_factory.mktemp("models") / "tiny-clip"
    transformers.CLIPModel(config).save_pretrained(folder)
    vocabulary = {"<|startoftext|>": 0, "<|endoftext|>": 1, "a": 2, "a</w>": 3}
    transformers.CLIPProcessor(
        transformers.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}),
        transformers.CLIPTokenizer(vocab=vocabulary, merges=[]),
    ).save_pretrained(folder)
    return folder


class TestClip:
    def test_pictures_become_vectors(self, clip):
        encoder = ClipEncoder(clip)
        red = packed(picture(((200, 30, 30), (10, 10, 40, 50))))
        made = encoder.encode([SOCK, red, BOOT, SOCK])
        assert made.shape == (4, encoder.dim) == (4, 12) and made.dtype == np.float32
        assert np.allclose(np.linalg.norm(made, axis=1), 1, atol=1e-6)
        assert np.array_equal(made[0], made[3]) and not np.allclose(made[0], made[2], atol=1e-3)
        again = ClipEncoder(clip)
        assert np.array_equal(again.encode([BOOT]), made[2:3])
        assert (encoder.name, encoder.encoded_, again.encoded_) == ("tiny-clip", 3, 0)
        assert again.encode([]).shape == (0, 12)

    def test_what_is_transparent_is_white(self, clip):
        box = (10, 10, 40, 50)
        clear = picture(((200, 30, 30, 255), box), background=(0, 0, 0, 0), mode="RGBA")
        white, black = (picture(((200, 30, 30), box), background=(shade,) * 3) for shade in (255, 0))
        made = ClipEncoder(clip, cache=False).encode([packed(clear), packed(white), packed(black)])
        assert np.allclose(made[0], made[1], atol=1e-5) and not np.allclose(made[0], made[2], atol=1e-3)

    def test_it_is_what_the_model_itself_says(self, clip):
        import torch
        import transformers

        image = picture(((200, 30, 30), (10, 10, 40, 50)), size=(48, 60))
        model = transformers.CLIPModel.from_pretrained(clip).eval()
        pixels = transformers.CLIPImageProcessorPil.from_pretrained(clip)(images=image, return_tensors="pt")
        with torch.no_grad():
            seen = model.visual_projection(model.vision_model(**pixels).pooler_output)[0].numpy()
        made = ClipEncoder(clip, cache=False).encode([packed(image)])[0]
        assert np.allclose(made, seen / np.linalg.norm(seen), atol=1e-5)

    def test_without_sentence_transformers_what_is_kept_still_works(self, clip, monkeypatch):
        kept = ClipEncoder(clip).encode([SOCK])
        monkeypatch.setitem(sys.modules, "sentence_transformers", None)
        encoder = ClipEncoder(clip)
        assert np.array_equal(encoder.encode([SOCK]), kept)
        with pytest.raises(
            EncoderUnavailable, match=r"needed for the picture in row 1, .* is not installed .*pip install"
        ):
            encoder.encode([SOCK, BOOT])

    def test_a_folder_that_is_not_there(self):
        with pytest.raises(ValueError, match="model: there is no folder"):
            ClipEncoder("no such/folder/at all").encode([SOCK])
