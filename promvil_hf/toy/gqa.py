# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Asks questions of GQA's kind about a scene, with program, types, groups and annotations; and Visual Genome's own plain ones.

The question types stand in `promvil_hf.toy.gqa_makers`. No torch.
"""

from promvil_hf.inflection import plural
from promvil_hf.toy.gqa_draft import Draft, GqaQuestion
from promvil_hf.toy.gqa_makers import MAKERS, OPEN_MAKERS
from promvil_hf.toy.questions import NUMBERS
from promvil_hf.toy.scenery import Scene


def gqa_questions(scene: Scene, count: int = 6) -> tuple[GqaQuestion, ...]:
    """Ask up to `count` different questions about a scene, types evenly."""
    rng = scene.random("gqa")
    found: dict[str, Draft] = {}
    for _ in range(4):
        for maker in rng.sample(MAKERS, len(MAKERS)):
            draft = maker(scene, rng, rng.random() < 0.5) if len(found) < count else None
            if draft is not None:
                found.setdefault(draft.text(draft.question), draft)
    return tuple(
        draft.finished(scene, f"{scene.image_id:06d}{k:03d}", question)
        for k, (question, draft) in enumerate(found.items())
    )


def visual_genome_questions(scene: Scene, count: int = 4) -> list[tuple[str, str]]:
    """Questions and answers as Visual Genome has them: open questions, and answers like "Red." or "Two."."""
    rng = scene.random("visual genome questions")
    found: dict[str, str] = {}
    for _ in range(3):
        for maker in rng.sample(OPEN_MAKERS, len(OPEN_MAKERS)):
            draft = maker(scene, rng, True)
            if draft is not None:
                found.setdefault(draft.text(draft.question), f"{draft.answer.capitalize()}.")
    name = rng.choice(scene.objects).name
    number = sum(thing.name == name for thing in scene.objects)
    if number < len(NUMBERS):
        found[f"How many {plural(name)} are there?"] = f"{NUMBERS[number].capitalize()}."
    pairs = list(found.items())
    rng.shuffle(pairs)
    return pairs[:count]
