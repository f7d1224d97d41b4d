# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The command `promvil inspect compovl`: a page with a form, and what saved verdicts say."""

import random
from collections.abc import Iterator
from pathlib import Path

from promvil_hf import pages
from promvil_hf.commands import options
from promvil_hf.compovl.chains import chain_of
from promvil_hf.hub_names import local_or_hub
from promvil_hf.progress import bars_on_a_terminal_only


HELP = """
Judge a random sample of CompoVL by eye: one page with each chain drawn level by level, and what the verdicts say.

    promvil inspect compovl --rows compovl --images visual_genome --html judge.html
    promvil inspect compovl --verdicts compovl-verdicts.json

Each chain is from another picture. --images is the folder with VG_100K/ and VG_100K_2/; without it boxes are drawn on grey.
The page is one file and needs neither server nor network. Judge, press "Save verdicts", and pass the saved files here.
"""
QUESTIONS = (
    pages.Question("good", "Do the boxes of every level show exactly what its phrase says?", ("good", "bad", "cannot tell")),
    pages.Question("natural", "Would a person say it like this?", ("yes", "no")),
)


def add_arguments(parser):
    options.add(parser, "--rows", "--images", "--sample")
    options.add(parser, "--split", default="test")
    options.add(parser, "--seed")
    options.add(parser, "--html", default=Path("judge-compovl.html"))
    options.add(parser, "--verdicts")


def run(args):
    if args.verdicts:
        print("\n".join(summary(args.verdicts)))
        return
    if not args.rows:
        raise ValueError(
            "You passed neither --rows to sample nor --verdicts to read. See `promvil inspect compovl --help`."
        )
    rows = sample(args.rows, args.split, args.sample, args.seed)
    path = pages.write(args.html, judgement_page(rows, args.images, f"{args.rows}, {args.split}, seed {args.seed}"))
    print(f"{len(rows)} chains written to {path}. Open it in a browser, judge, and save the verdicts; then:")
    print("  promvil inspect compovl --verdicts compovl-verdicts.json")
    if len(rows) < args.sample:
        print(
            f"You asked for {args.sample}: the split {args.split!r} has chains of {len(rows)} pictures only, and one is drawn of "
            "each. Another --split may have more."
        )


def sample(data: str, split: str, size: int, seed: int) -> list[dict]:
    """Random rows of a split, one an image, so that verdicts are independent of each other."""
    from datasets import load_dataset

    source = local_or_hub(data, "dataset", "rows")
    try:
        with bars_on_a_terminal_only():
            rows = load_dataset(source, split=split)
    except Exception as error:  # datasets raises a dozen kinds; each says what it misses
        raise ValueError(f"Cannot read the split {split!r} of {data}: {error}") from error
    by_image: dict[str, list[int]] = {}
    for position, image_id in enumerate(rows["image_id"]):
        by_image.setdefault(image_id, []).append(position)
    rng = random.Random(seed)
    images = rng.sample(sorted(by_image), min(size, len(by_image)))
    return [rows[rng.choice(by_image[image])] for image in images]


def judgement_page(rows: list[dict], images: Path | None = None, about: str = "") -> pages.Html:
    """The page with the form."""
    return pages.page(
        "CompoVL: judge a sample",
        pages.note(
            "How to judge.",
            " A solid box is what the phrase of this level names, a dashed one is evidence it may refer to. A simple noun should "
            "have a box on each of its instances, a composed phrase exactly one.",
        ),
        pages.section("Chains", pages.judgement_form(_items(rows, images), QUESTIONS, form="compovl", wide=True)),
        lead=f"{len(rows)} chains drawn at random, one an image. {about}",
    )


def _items(rows: list[dict], images: Path | None) -> Iterator[pages.JudgementItem]:
    for row in rows:
        strip = pages.chain_strip(_picture(row, images), chain_of(row), alt=row["expression"])
        given = pages.paragraph("Composed from: ", "; ".join(phrase.strip() for phrase in row["given"]))
        title = f"{row['expression']} (level {row['level']})"
        yield pages.JudgementItem(row["chain_id"], pages.fragment(strip, given), title)


def _picture(row: dict, images: Path | None):
    from PIL import Image

    from promvil_hf.images import UnreadableImage, read_image

    if row.get("image") is not None:
        return row["image"]
    if images is None:
        return Image.new("RGB", (row["width"], row["height"]), (214, 214, 214))
    path = images / row["image_path"]
    try:
        return read_image(path)
    except UnreadableImage as error:
        raise ValueError(
            f"The image {path} cannot be opened: {error}. --images takes the folder that holds VG_100K/ and VG_100K_2/; leave it "
            "out to draw boxes on grey."
        ) from None


def summary(files: list[Path]) -> list[str]:
    """The share judged good in each verdict file, with a 95 % interval (Wilson), and how far judges agree."""
    from scipy.stats import binomtest

    lines, judged = [], []
    for path in files:
        verdicts = pages.read_verdicts(path, "compovl", QUESTIONS)
        who = f"{path.name}{f' ({verdicts.judge})' if verdicts.judge else ''}"
        lines.append(f"{who}: {len(verdicts.answers)} of {len(verdicts.items)} judged")
        for question, yes, no in (("good", "good", "bad"), ("natural", "yes", "no")):
            counts = verdicts.counts(question)
            hits, all_ = counts[yes], counts[yes] + counts[no]
            if not all_:
                lines.append(f"  {question}: no verdict yet")
                continue
            interval = binomtest(hits, all_).proportion_ci(method="wilson")
            unsure = counts.get("cannot tell", 0)
            lines.append(
                f"  {question}: {hits / all_:.1%} ({hits} of {all_}), 95 % interval {interval.low:.1%} to {interval.high:.1%}"
                + (f", {unsure} cannot tell" if unsure else "")
            )
        judged.append({item: given.get("good") for item, given in verdicts.answers.items()})
    for k, first in enumerate(judged):
        for later, second in enumerate(judged[k + 1 :], k + 1):
            common = [item for item in first if second.get(item) in ("good", "bad") and first[item] in ("good", "bad")]
            if common:
                same = sum(first[item] == second[item] for item in common)
                lines.append(f"{files[k].name} and {files[later].name} agree on {same} of {len(common)} chains")
    return lines
