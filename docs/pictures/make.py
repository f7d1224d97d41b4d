# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Make the pictures of README and docs with the package itself: `python docs/pictures/make.py [NAME …]` (needs Chromium).

Each is a screenshot of a part of a page. Scenes, texts and orders depend on fixed seeds; no model is asked.
"""

import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops

from promvil_hf import pages
from promvil_hf.boxes import Box
from promvil_hf.fivl.fivl_rows import FivlRow, Key
from promvil_hf.fivl.twins import twins
from promvil_hf.key_expressions import Turn
from promvil_hf.masks import coverage, decode
from promvil_hf.pages import MaskMark, Series
from promvil_hf.toy.chains import chain_of
from promvil_hf.toy.questions import conversation
from promvil_hf.toy.world import WorldConfig, scenes
from promvil_hf.training.chain_texts import Texts
from promvil_hf.training.curriculum import CURRICULA, Curriculum, whole
from promvil_hf.training.vision_labels import label_patches, nouns


HERE = Path(__file__).parent
GRID = (16, 12)  # image tokens across and down, for the picture of labels


def main(names: list[str]):
    unknown = sorted(set(names) - set(PICTURES))
    if unknown:
        raise SystemExit(f"There is no picture {unknown[0]!r}: there are {', '.join(PICTURES)}.")
    for name in names or PICTURES:
        made, size = PICTURES[name]
        shoot(pages.page(name, made()), HERE / f"{name}.png", size)
        print(HERE / f"{name}.png")


# --- PromViL --------------------------------------------------------------------------------------


@cache
def scene_with_chain():
    for scene in scenes(WorldConfig(image_size=(320, 240), objects=(6, 8)), 200, seed=3):
        for expression in scene.expressions():
            chain = chain_of(scene, expression)
            if chain.levels == (1, 2, 3) and "robot" in expression.text and "touching" not in expression.text:
                return scene, chain
    raise LookupError("No scene has the chain that is wanted.")


def chain() -> pages.Html:
    scene, own = scene_with_chain()
    return pages.chain_strip(scene.image(), own, alt=own.steps[-1].target.text, max_side=320)


def training_texts() -> pages.Html:
    """What the chain says to the model; highlighted is what is trained."""
    _, own = scene_with_chain()
    parts = []
    for text in Texts().of_chain(own):
        [(start, end)] = text.spans
        parts.append(
            pages.marked_text([(text.text[:start], False), (text.text[start:end], True), (text.text[end:], False)])
        )
    return pages.fragment(*parts)


def curricula() -> pages.Html:
    """Which levels are trained when, of 900 chains of three levels each."""
    rows = [(1, 2, 3)] * 900
    charts = []
    for kind in CURRICULA:
        cuts = [whole(row) for row in range(len(rows))] if kind == "none" else Curriculum(kind).epoch(rows, 0, 0)
        parts = np.array_split(np.arange(len(cuts)), 24)
        series = []
        for level in (1, 2, 3):
            trained = np.array([cut.trains(level) for cut in cuts], float)
            every = np.array([sum(cut.trains(other) for other in (1, 2, 3)) for cut in cuts], float)
            shares = [trained[part].sum() / every[part].sum() for part in parts]
            series.append(
                Series(f"level {level}", [(place + 0.5) / len(parts) for place in range(len(parts))], shares)
            )
        chart = pages.line_chart(
            series, alt=f"Shares of levels over an epoch, {kind}", x_label="share of the epoch", y_label=kind,
            y_range=(-0.04, 1.04),
        )  # fmt: skip
        charts.append(chart)
    return pages.fragment(pages.tag("style", "details {display: none}"), pages.gallery(charts, 400))


# --- FiVL -----------------------------------------------------------------------------------------


@cache
def talked_about():
    """A scene, a row of FiVL-Instruct about it, and the turn that is shown."""
    for scene in scenes(
        WorldConfig(image_size=(320, 240), objects=(5, 5), levels=1, distractors=0, object_scale=1.6), 200, seed=5
    ):
        talk = conversation(scene)
        for number, (_, answer) in enumerate(talk.turns):
            keys = [key for key in talk.keys if key.turn == number]
            if answer.startswith("The image shows") and len({nouns(key.text)[-1] for key in keys}) >= 4:
                located = [key.located(scene) for key in keys]
                turns = tuple(Turn(index, *own) for index, own in enumerate(talk.turns))
                row = FivlRow(
                    "toy", "toy", "toy", "toy.png", scene.size, turns, tuple(Key(own, own.text) for own in located)
                )
                return scene, row, turns[number]
    raise LookupError("No scene has the conversation that is wanted.")


def words_and_patches() -> pages.Html:
    """Key expressions with their masks, and the words that image tokens are to predict."""
    scene, row, turn = talked_about()
    masks = [MaskMark(decode(key.expression.mask), key.text, place) for place, key in enumerate(row.keys)]
    across, down = GRID
    boxes = [Box(x / across, y / down, (x + 1) / across, (y + 1) / down) for y in range(down) for x in range(across)]
    words = [nouns(key.text)[-1] for key in row.keys]
    vocabulary = list(dict.fromkeys(words))
    labels, _ = label_patches(
        [coverage(key.expression.mask, boxes) for key in row.keys], [(vocabulary.index(word),) for word in words]
    )
    cells = labels[:, 0].reshape(down, across)
    patches = [MaskMark(cells == number, f"“{word}”", number) for number, word in enumerate(vocabulary)]
    return pages.gallery(
        [
            pages.figure(
                scene.image(), alt="Masks of key expressions", masks=masks, max_side=320,
                caption=[turn.question, " ", pages.tag("strong", turn.answer)],
            ),
            pages.figure(
                scene.image(), alt="Labels of image tokens", masks=patches, max_side=320,
                caption=f"What each of {across} x {down} image tokens is to predict.",
            ),
        ],
        400,
    )  # fmt: skip


def hidden() -> pages.Html:
    """The twins of a row about its first key expression."""
    scene, row, _ = talked_about()
    one = FivlRow("toy", "toy", "toy", "toy.png", scene.size, row.turns, row.keys[:1])
    kinds = ("original", "key boxes", "silhouettes", "random boxes", "whole image")
    return pages.gallery(
        [
            pages.figure(twin.image, alt=f"Twin: {twin.kind}", caption=twin.kind, max_side=200)
            for twin in twins(one, scene.image(), kinds)
        ],
        180,
    )


PICTURES = {
    "chain": (chain, "1040,760"),
    "training_texts": (training_texts, "1040,760"),
    "curricula": (curricula, "1040,1300"),
    "words_and_patches": (words_and_patches, "1040,1000"),
    "hidden": (hidden, "1040,600"),
}


def shoot(page, path: Path, size: str):
    """The page below its header, as a PNG."""
    with tempfile.TemporaryDirectory() as folder:
        picture = _browsed(pages.write(Path(folder) / "page.html", page), size)
    inked = _inked(picture)
    rule = int(inked[:300].sum(1).argmax())  # the line under the header
    bottom = int(np.flatnonzero(inked.any(1))[-1])
    picture.crop((0, rule + 2, picture.width, bottom + 20)).quantize(128).save(path, optimize=True)


def screenshot(html: Path, width: int, height: int, margin: int = 16) -> Image.Image:
    """A page file in a window of this size, cut to what stands on it."""
    picture = _browsed(html, f"{width},{height}")
    inked = _inked(picture)
    rows, columns = np.flatnonzero(inked.any(1)), np.flatnonzero(inked.any(0))
    left, top = max(int(columns[0]) - margin, 0), max(int(rows[0]) - margin, 0)
    return picture.crop((left, top, min(int(columns[-1]) + margin, width), min(int(rows[-1]) + margin, height)))


def _inked(picture: Image.Image) -> np.ndarray:
    """Which pixels differ from the page's ground."""
    empty = Image.new("RGB", picture.size, picture.getpixel((2, 2)))
    return np.asarray(ImageChops.difference(picture, empty)).any(2)


def _browsed(html: Path, size: str) -> Image.Image:
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        raise SystemExit("No Chromium was found: install it, the pictures are screenshots.")
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking"]
        subprocess.run(
            [browser, *flags, f"--user-data-dir={folder}/profile", f"--screenshot={shot}", f"--window-size={size}", f"file://{html}"],
            check=True, capture_output=True,
        )  # fmt: skip
        return Image.open(shot).convert("RGB")


if __name__ == "__main__":
    main(sys.argv[1:])
