# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The page of the demo: what each chapter found, in pictures and figures of this run alone."""

from pathlib import Path

from promvil_hf import pages
from promvil_hf.commands.demo import fivl, page_fivl, page_promvil, world
from promvil_hf.commands.demo.chapters import Folder, Sizes
from promvil_hf.commands.demo.wording import large
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.evaluation.reliance import RelianceReport
from promvil_hf.explain.head_atlas import read_atlas
from promvil_hf.fivl.fivl_publish import read_rows


TITLE = "Two methods at work"


def write_page(folder: Folder, sizes: Sizes, seed: int, found: tuple) -> Path:
    worlds, compovl, tuned, grounded, rows, joint, relied, looked = found
    tests = world.scenes_of("nested_test", sizes.phrase_scenes, seed)
    reports = {name: RelianceReport.load(path) for name, path in relied.reports.items()}
    atlases = {name: read_atlas(path) for name, path in looked.atlases.items()}
    asked = list(read_rows(folder.out / "fivl" / "test", "gqa"))
    pictures = Pictures(Path(worlds.folders["talk_test"], fivl.IMAGES))
    parts = [
        ("PromViL: from simple to complex", page_promvil.in_short(grounded, tests, sizes)),
        ("FiVL: words that point", page_fivl.in_short(reports, looked, asked, pictures)),
        ("The drawn world", _the_world(worlds, tests)),
        ("PromViL's rows: chains", page_promvil.data(compovl, tests)),
        ("Level by level and at once", page_promvil.grounding(grounded, tuned, tests, sizes)),
        ("FiVL's rows: words with regions", page_fivl.rows_part(rows, worlds)),
        ("What patches say", page_fivl.joint(joint, looked, worlds)),
        ("How much the answers rely on what they name", page_fivl.reliance(reports)),
        ("Which heads follow what is named", page_fivl.atlas_part(atlases, looked, worlds)),
        ("How long it took, and how to go on", _ending(folder, seed, sizes)),
    ]
    page = pages.page(
        TITLE,
        *(pages.section(title, *content) for title, content in parts[:2]),
        pages.contents(*(title for title, _ in parts[2:])),
        *(pages.section(title, *content) for title, content in parts[2:]),
        lead="A vision-language model should point at what it talks about. This page shows two published methods for that, on "
        "drawn scenes that the models never saw, with models of 1.4 and 1.5 million parameters. Every figure was measured in "
        f"this run{_trained(tuned)}.",
    )
    return pages.write(folder.out / "index.html", page)


def _trained(tuned) -> str:
    return ", by models that were trained in it" if tuned.points else ", with adapters that come with the package"


def _the_world(worlds, tests):
    yield pages.paragraph(
        "Everything about a drawn scene is known: boxes, exact masks, relations, nested expressions, questions. The files have "
        "Visual Genome's form, so the code that reads the real data reads these too. No scene is both trained on and measured "
        "on."
    )
    yield pages.gallery(
        [
            pages.figure(large(drawn.image()), alt=f"A drawn scene: {text}", caption=text)
            for drawn in tests[:4]
            if (text := max(drawn.expressions(), key=lambda expression: expression.level).text)
        ],
        200,
    )
    written = {name.replace("_", " "): summary for name, summary in worlds.written.items()}
    yield pages.details("What was written", pages.facts(written))


def _ending(folder: Folder, seed: int, sizes: Sizes):
    yield pages.table(
        [[chapter.title, chapter.seconds, "this run" if chapter.now else "kept from an earlier run"] for chapter in folder.done],
        ["chapter", "seconds", ""],
        caption="How long each chapter took when it was done.",
    )
    train = " --train" if folder.settings["train"] else ""
    yield pages.paragraph("This page is made by:")
    yield pages.code(f"promvil demo --seed {seed}{train}" + ("" if sizes == Sizes() else " --quick"))
    yield pages.paragraph(
        "With real checkpoints and data the same steps are promvil build compovl, promvil recipe run kosmos2/lora, promvil "
        "ground, promvil build fivl, promvil recipe run llava/lora, promvil reliance and promvil explain."
    )
