# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The page of the demo: what each chapter found, in pictures and figures of this run alone."""

from pathlib import Path

from promvil_hf import pages
from promvil_hf.commands.demo import fivl, page_fivl, page_promvil, world
from promvil_hf.commands.demo.chapters import Folder, Sizes
from promvil_hf.commands.demo.wording import interval, large, verdict
from promvil_hf.evaluation.reliance import RelianceReport
from promvil_hf.explain.head_atlas import read_atlas


TITLE = "Two methods on a toy world"


def write_page(folder: Folder, sizes: Sizes, seed: int, found: tuple) -> Path:
    worlds, compovl, tuned, grounded, rows, joint, relied, looked = found
    tests = world.scenes_of("nested_test", sizes.test_scenes, seed)
    reports = {name: RelianceReport.load(path) for name, path in relied.reports.items()}
    atlases = {
        name: read_atlas(path)
        for name, path in looked.atlases.items()
    }
    parts = [
        ("In short", _in_short(grounded, joint, reports, atlases, looked)),
        ("The world", _the_world(worlds, tests, sizes)),
        ("PromViL: from simple to complex", page_promvil.data(compovl, tests)),
        ("Training with a curriculum", page_promvil.training(tuned)),
        ("One-shot against progressive", page_promvil.grounding(grounded, tuned, tests, sizes)),
        ("FiVL: words that point", page_fivl.rows_part(rows, worlds)),
        ("Training with vision modeling", page_fivl.joint(joint, looked, worlds)),
        ("How much the answers rely on what they name", page_fivl.reliance(reports)),
        ("Which heads look", page_fivl.atlas_part(atlases, looked, worlds)),
        ("How long it took, and how to go on", _ending(folder, seed, sizes)),
    ]
    page = pages.page(
        TITLE,
        pages.contents(*(title for title, _ in parts)),
        *(pages.section(title, *content) for title, content in parts),
        lead="PromViL and FiVL from data to evidence, on drawn scenes and with models of 1.4 million parameters. Every figure is "
        "from the run that wrote this page.",
    )
    return pages.write(folder.out / "index.html", page)


def _in_short(grounded, joint, reports, atlases, looked):
    deepest = grounded.levels[-1]
    score = reports[fivl.WITH].scores["masked"]["relative"]
    heads = {name: int(atlas.passing().sum()) for name, atlas in atlases.items()}
    passing = f"{heads[fivl.WITH]} of {atlases[fivl.WITH].rho.size}"
    accuracy = _change(deepest.accuracy[run].estimate for run in (page_promvil.ONE_SHOT, page_promvil.PROGRESSIVE))
    right = _change(joint.runs[run].held_out["vm_accuracy"] for run in (fivl.WITHOUT, fivl.WITH))
    without_with = "without → with vision modeling, held-out rows"
    yield pages.tiles(
        pages.stat(f"level {deepest.level}: one-shot → progressive", accuracy, "accuracy at IoU 0.5, held-out scenes"),
        pages.stat("patches that say the right word", right, without_with),
        pages.stat("Visual Reliance Score", score["estimate"], f"{interval(score)}, {fivl.WITH}"),
        pages.stat("heads that look at what is named", passing, f"base: {heads[fivl.BASE]}"),
    )
    yield pages.bullets(
        [
            verdict(deepest.gain["tuned"], f"Progressive minus one-shot on level {deepest.level}, the tuned model"),
            verdict(looked.words.gain, "IoU of what patches say with the masks, with minus without vision modeling"),
            page_fivl.reliance_verdict(reports[fivl.WITH]),
        ]
    )


def _change(values) -> str:
    return " → ".join(pages.number(value, 2) for value in values)


def _the_world(worlds, tests, sizes: Sizes):
    yield pages.paragraph(
        "Scenes are drawn with everything known about them: boxes, exact masks, relations, nested expressions, questions. "
        "They are written in Visual Genome's own files, so that the readers of the real data read them. Scenes to measure on "
        "are drawn apart from those to train on."
    )
    yield pages.gallery(
        [
            pages.figure(large(drawn.image()), alt=f"A drawn scene: {text}", caption=text)
            for drawn in tests[:4]
            if (text := max(drawn.expressions(), key=lambda own: own.level).text)
        ],
        200,
    )
    written = {name.replace("_", " "): told for name, told in worlds.written.items()}
    yield pages.details("What was written", pages.facts(written))


def _ending(folder: Folder, seed: int, sizes: Sizes):
    yield pages.table(
        [[told.title, told.seconds, "this run" if told.now else "kept from an earlier run"] for told in folder.told],
        ["chapter", "seconds", ""],
        caption="Each chapter's wall time when it was done.",
    )
    yield pages.code(f"promvil demo --seed {seed}" + ("" if sizes == Sizes() else " --quick"))
    yield pages.paragraph(
        "With real checkpoints and data the same steps are promvil build compovl, promvil recipe run kosmos2/lora, promvil "
        "ground, promvil build fivl, promvil recipe run llava/lora, promvil reliance and promvil explain."
    )
