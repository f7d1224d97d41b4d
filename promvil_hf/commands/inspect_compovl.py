# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Judge a random sample of CompoVL by eye: one page with each chain drawn level by level, and what the verdicts say.

    promvil inspect compovl compovl/ --sample 100 --images visual_genome --out judge.html
    promvil inspect compovl --verdicts compovl-verdicts.json

The page is one file and needs neither server nor network. Judge, press "Save verdicts", and pass the saved files here.

Floor 5.
"""

import random
from collections.abc import Iterator
from pathlib import Path

from promvil_hf import pages
from promvil_hf.compovl.compose import chain_of


QUESTIONS = (
    pages.Question("good", "Do the boxes of every level show exactly what its phrase says?", ("good", "bad", "cannot tell")),
    pages.Question("natural", "Would a person say it like this?", ("yes", "no")),
)


def add_arguments(parser):
    add = parser.add_argument
    add("data", nargs="?", help="folder of a build, or a dataset on the Hub such as promvil/compovl")
    add("--sample", type=int, default=100, help="how many chains, from as many images (default: %(default)s)")
    add("--split", default="test", help="(default: %(default)s)")
    add("--seed", type=int, default=0, help="another seed, another sample")
    add("--images", type=Path, metavar="DIR", help="folder that holds VG_100K/ and VG_100K_2/; without it boxes stand on grey")
    add("--out", type=Path, default=Path("compovl-judge.html"), help="page to write (default: %(default)s)")
    add("--verdicts", type=Path, nargs="+", metavar="FILE", help="print the share judged good, with its interval")


def run(args):
    if args.verdicts:
        print("\n".join(tell(args.verdicts)))
        return
    if not args.data:
        raise ValueError("You passed neither a dataset to sample nor --verdicts to read. See `promvil inspect compovl --help`.")
    if args.sample < 1:
        raise ValueError(f"You passed --sample {args.sample}: pass 1 or more.")
    rows = sample(args.data, args.split, args.sample, args.seed)
    path = pages.write(args.out, judgement_page(rows, args.images, f"{args.data}, {args.split}, seed {args.seed}"))
    print(f"{len(rows)} chains written to {path}. Open it in a browser, judge, and save the verdicts; then:")
    print("  promvil inspect compovl --verdicts compovl-verdicts.json")


def sample(data: str, split: str, size: int, seed: int) -> list[dict]:
    """Random rows of a split, one an image, so that verdicts are independent of each other."""
    from datasets import load_dataset

    try:
        rows = load_dataset(data, split=split)
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
            " A solid box is what the phrase of this level names, a dashed one is evidence it may lean on. A simple noun should "
            "have a box on each of its instances, a composed phrase exactly one.",
        ),
        pages.judgement_form(_items(rows, images), QUESTIONS, form="compovl", wide=True),
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
            "away to draw boxes on grey."
        ) from None


def tell(files: list[Path]) -> list[str]:
    """The share judged good in each verdict file, with a 95 % interval (Wilson), and how far judges agree."""
    from scipy.stats import binomtest

    lines, judged = [], []
    for path in files:
        verdicts = pages.read_verdicts(path)
        if verdicts.form != "compovl":
            raise ValueError(f"{path} holds verdicts of the form {verdicts.form!r}, not of CompoVL's page.")
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
