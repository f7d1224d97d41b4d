# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Make docs/gallery.md and its pictures: `python -m docs.pictures.gallery [NAME …]` (needs Chromium; minutes on two cores).

Runs the commands that the page shows, in an empty folder, and takes a screenshot of a part of the page that each one writes.
With names only those pictures are made; `--text` writes docs/gallery.md alone.
"""

import re
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from docs.pictures.make import HERE, screenshot


PAGE = HERE.parent / "gallery.md"
SCENES = "toy/exam/images"
TALK = "toy/world/VG_100K"
NESTED = '"the triangle touching the ring that is next to the diamond"'
CIRCLE = f'{TALK}/1000001.png "Is there a brown circle in the image?"'
NEAR = f"--benchmark compovl --files toy/exam/near.jsonl --images {SCENES} --limit 120 --model toy:kosmos2"
FIVL = "--masks toy/world/key_expressions.jsonl --out toy/fivl"
SETUP = (
    "python -m promvil_hf.toy.exam --scenes 60 --out toy/exam",
    "python -m promvil_hf.toy --scenes 60 --start 1000000 --size 64 --objects 3 5 --levels 1 --distractors 1 "
    "--textures plain --object-scale 1.3 --out toy/world",
    "promvil build compovl --vg toy/world --out toy/compovl",
    f"promvil build fivl --source llava --files toy/world/llava_conversations.json --images toy/world {FIVL}",
    f"promvil build fivl --source pope --files toy/world/pope_random.jsonl --images {TALK} {FIVL}",
)


@dataclass(frozen=True)
class Picture:
    """One picture of the gallery: the commands that make it, the page they write, and which part of it is shown.

    `part` is a CSS selector, `without` one of what is left out of it.
    """

    title: str
    caption: str
    alt: str
    commands: tuple[str, ...]
    page: str
    part: str
    without: str = "noscript"
    width: int = 900


PICTURES = {
    "level_by_level": Picture(
        "An expression grounded level by level",
        "The diamond is found first, then the ring next to it, then the triangle that touches the ring. Solid boxes are the "
        "answers of a level, dashed ones the evidence it was given.",
        "Three panels of one drawn scene: a box on the diamond, then on the ring, then on the triangle",
        (f"promvil ground {SCENES}/near_1000009.png {NESTED} --model toy:kosmos2 --adapter toy:chains --html pages/levels.html",),
        "pages/levels.html", ".strip",
    ),
    "at_once": Picture(
        "The same expression asked at once",
        "A model that was trained on the same scenes without chains, asked for the whole expression, marks the ring instead of "
        "the triangle. This case was chosen because it fails; the next picture counts all of them.",
        "The same scene with one box, which stands on the ring and not on the triangle",
        (
            f"promvil ground {SCENES}/near_1000009.png {NESTED} --model toy:kosmos2 --adapter toy:flat --mode one_shot "
            "--html pages/at_once.html",
        ),
        "pages/at_once.html", ".strip",
    ),
    "compared": Picture(
        "Two reports side by side",
        "Both models on the same 120 expressions: the change at each level with its interval, a paired test, and how many "
        "rows became right or wrong. Level 2 gains clearly; 24 rows are too few to judge level 3.",
        "Tiles and a table of three levels: the change of accuracy with its interval, its p-value, and rows that changed",
        (
            f"promvil evaluate {NEAR} --adapter toy:flat --out runs/flat",
            f"promvil evaluate {NEAR} --adapter toy:chains --mode progressive --out runs/chains",
            f"promvil evaluate --compare runs/flat/report.json runs/chains/report.json --images {SCENES} --out runs/compared",
        ),
        "runs/compared/report.html", "#what-changed", "h2, #what-changed section, #what-changed .gallery",
    ),
    "detector": Picture(
        "A detector that reads relations",
        "The detector is asked for “diamond”, “ring” and “triangle” only; each level chooses among what it found by where its "
        "evidence is. Here the toy Kosmos-2 stands in for a detector.",
        "Three panels of the scene with boxes, and a table that says how each choice was made",
        (f"promvil ground {SCENES}/near_1000009.png {NESTED} --detector toy:kosmos2 --html pages/detector.html",),
        "pages/detector.html", ".strip, figure.table",
    ),
    "compovl": Picture(
        "A sample of CompoVL to judge",
        "Chains that `promvil build compovl` composed from a scene graph, with two questions for the reader. The page saves "
        "the verdicts, and the same command reads them.",
        "A chain of two levels on a drawn scene, and below it buttons good, bad, cannot tell, yes and no",
        ("promvil inspect compovl --rows toy/compovl --images toy/world --split train --sample 6 --html pages/compovl.html",),
        "pages/compovl.html", "article:first-of-type",
    ),
    "fivl": Picture(
        "A sample of FiVL-Instruct to judge",
        "A key expression of an answer with its mask, and the three questions of the paper's own evaluation.",
        "A drawn scene with one shape masked, the question and answer, and three questions with buttons",
        ("promvil inspect fivl --rows toy/fivl --config instruct --images toy/world --sample 6 --html pages/fivl.html",),
        "pages/fivl.html", "article:first-of-type",
    ),
    "twins": Picture(
        "What is hidden, and the controls",
        "Each question is asked again with its key boxes hidden, with the silhouettes hidden, and with boxes of the same sizes "
        "hidden elsewhere.",
        "A drawn scene four times: whole, with the key boxes black, with silhouettes black, with other boxes black",
        (f"promvil twins --rows toy/fivl --config pope --images {TALK} --limit 12 --sample 3 --out runs/twins",),
        "runs/twins/index.html", "article:first-of-type h3, article:first-of-type .gallery", ".state",
    ),
    "hidden": Picture(
        "A region is hidden and the answer changes",
        "“yes” turns into “no” when the brown circle is hidden, and stays “yes” when other places of the same size are. The "
        "heat is the attention while the answer was written.",
        "Attention over a drawn scene, with a table: the answer is yes, with the circle hidden no, with random boxes hidden yes",
        (f"promvil explain {CIRCLE} --model toy:llava --box 0.484,0.625,0.703,0.844 --out runs/hidden",),
        "runs/hidden/explanation.html", "#what-the-model-looked-at", "h2, .gallery figure:nth-child(2)",
    ),
    "patches_without": Picture(
        "What patches say without FiVL's loss",
        "The word that each image token would say, by a model trained on the same rows without vision modeling.",
        "A drawn scene whose patches say yes, left and no, in areas that follow no shape",
        (f"promvil explain {CIRCLE} --model toy:llava --adapter toy:no_vision_loss --out runs/without",),
        "runs/without/explanation.html", ".gallery figure:nth-child(2)", width=480,
    ),
    "patches_with": Picture(
        "What patches say with FiVL's loss",
        "The same image after training with the joint loss: patches on the circles say “circle”, those on the robot “robot”. "
        "The background was not trained; here it names other shapes.",
        "The same scene, with patches that say circle on both circles, robot on the robot, and other shapes around them",
        (f"promvil explain {CIRCLE} --model toy:llava --adapter toy:vision_loss --out runs/with",),
        "runs/with/explanation.html", ".gallery figure:nth-child(2)", width=480,
    ),
    "heads": Picture(
        "The atlas of attention heads",
        "How well each head's attention follows the mask of what is named at that moment. Rings mark heads that do better than "
        "with the masks of other images.",
        "A grid of layers by heads coloured by rank correlation, with rings on some heads of the upper layers",
        (
            "promvil explain --rows toy/fivl --config instruct --images toy/world --model toy:llava --adapter toy:vision_loss "
            "--given-answers --limit 30 --shuffles 100 --examples 3 --out runs/heads",
        ),
        "runs/heads/atlas.html", "#layer-by-head figure:first-of-type", width=640,
    ),
    "reliance": Picture(
        "How much a model relies on the picture",
        "The share of its accuracy that a model loses when what the question names is hidden, beside four controls. Random "
        "boxes cost nothing here: it is the thing itself that counts.",
        "A bar chart: key boxes, silhouettes, whole image and blind cost nearly all accuracy, random boxes none",
        (
            f'promvil reliance --rows toy/fivl --config pope --images {TALK} --model toy:llava --prompt "{{text}}" --limit 60 '
            "--out runs/reliance",
        ),
        "runs/reliance/reliance.html", "#what-each-perturbation-costs figure.chart", "details",
    ),
    "picture_needed": Picture(
        "Was the picture needed?",
        "The same questions asked without the picture: the share of the accuracy that remains is no evidence of sight.",
        "Tiles and a bar chart: without the picture half of the accuracy remains, as much as guessing gives",
        (
            f'promvil evaluate --benchmark pope --files toy/exam/pope.jsonl --images {SCENES} --limit 120 --model toy:llava '
            '--prompt "{text}" --blind-too --out runs/pope',
        ),
        "runs/pope/picture_needed.html", ".tiles, #what-stays-without-the-picture", "details",
    ),
}  # fmt: skip
TOP = """# Gallery

<!-- `python -m docs.pictures.gallery` writes this page and its pictures from its tables: do not edit it. -->

What the commands show. Every picture is part of a page that the command above it writes. Scenes are drawn, and models are the
small ones that come with the package, so that each command runs offline in seconds to a minute. The same commands take
photographs and real checkpoints. How to read the pages stands in [explain.md](explain.md), [evaluation.md](evaluation.md) and
[progressive_inference.md](progressive_inference.md).

First draw the scenes and build the data, which takes about 15 seconds of CPU time:
"""


def text() -> str:
    """The page docs/gallery.md."""
    parts = [TOP, _block(SETUP)]
    for name, picture in PICTURES.items():
        parts += [
            f"## {picture.title}",
            picture.caption,
            _block(picture.commands),
            f"![{picture.alt}](pictures/gallery/{name}.png)",
        ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _block(commands: tuple[str, ...]) -> str:
    return "\n".join(["```bash", *map(wrapped, commands), "```"])


def wrapped(command: str, width: int = 116) -> str:
    """The command over as many lines as it takes, broken before options; each but the last ends in a backslash."""
    first, *options = re.split(r" (?=--)", command)
    lines = [first]
    for option in options:
        if len(lines[-1]) + len(option) + 3 > width:
            lines[-1] += " \\"
            lines.append(f"    {option}")
        else:
            lines[-1] += f" {option}"
    return "\n".join(lines)


def run(command: str, folder: Path) -> None:
    """Run one command of the page in a folder; what it printed is shown if it fails."""
    words = shlex.split(command)
    program = [sys.executable, "-m", "promvil_hf"] if words[0] == "promvil" else [sys.executable]
    done = subprocess.run([*program, *words[1:]], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command}\n{done.stdout}{done.stderr}")


def shoot(picture: Picture, folder: Path, path: Path) -> None:
    """Save the part of the page that is shown."""
    html = (folder / picture.page).read_text(encoding="utf-8")
    part = f":is({picture.part})"
    style = (
        f"<style>body *:not({part}):not({part} *):not(:has({part})), {picture.without} {{display: none !important}}"
        "header {border: none !important}</style>"
    )
    html = re.sub(r"<meta http-equiv=.Content-Security-Policy[^>]*>", "", html).replace("</head>", style + "</head>")
    only = folder / "only_a_part.html"
    only.write_text(html, encoding="utf-8")
    path.parent.mkdir(exist_ok=True)
    screenshot(only, picture.width, 1400).quantize(64).save(path, optimize=True)


def main(arguments: list[str]) -> None:
    names = [name for name in arguments if name != "--text"]
    if unknown := sorted(set(names) - set(PICTURES)):
        raise SystemExit(f"There is no picture {unknown[0]!r}: there are {', '.join(PICTURES)}.")
    PAGE.write_text(text(), encoding="utf-8")
    if "--text" in arguments:
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for command in SETUP:
            run(command, folder)
        for name in names or PICTURES:
            for command in PICTURES[name].commands:
                run(command, folder)
            path = HERE / "gallery" / f"{name}.png"
            shoot(PICTURES[name], folder, path)
            print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
