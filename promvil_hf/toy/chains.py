# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The toy world's own truth as chains, the way CompoVL has them."""

from promvil_hf.inflection import plural
from promvil_hf.phrases import GroundedPhrase, PhraseChain, PhraseStep
from promvil_hf.toy.config import WorldConfig
from promvil_hf.toy.scenery import Scene, scenes


def chain_of(scene: Scene, expression) -> PhraseChain:
    """The scene's own truth about an expression as a chain: each part with the boxes of what it names."""
    kept = [index for index, part in enumerate(expression.parts) if not is_bare_head(expression, index)]
    place = {index: position for position, index in enumerate(kept)}
    steps = []
    for index in kept:
        part = expression.parts[index]
        steps.append(
            PhraseStep(
                GroundedPhrase(part.text, [scene.box(scene.position_of(object_id)) for object_id in part.object_ids]),
                anchors=[place[anchor] for anchor in part.anchors],
                mentions=[expression.parts[anchor].text for anchor in part.anchors],
            )
        )
    return PhraseChain(str(scene.image_id), steps)


def scene_chain(drawn: Scene, per_level: int) -> PhraseChain:
    """All expressions of a scene in one chain, each phrase once: a picture is then encoded once for all of them."""
    steps: list[PhraseStep] = []
    places: dict[str, int] = {}
    for expression in drawn.expressions(per_level):
        chain = chain_of(drawn, expression)
        for step in chain.steps:
            if step.target.text not in places:
                anchors = [places[chain.steps[anchor].target.text] for anchor in step.anchors]
                places[step.target.text] = len(steps)
                steps.append(PhraseStep(step.target, anchors, step.mentions))
    return PhraseChain(str(drawn.image_id), steps)


def is_bare_head(expression, index: int) -> bool:
    """A bare head ("circle" of "circle above the square") is no step of its own: the head is excluded from the anchors."""
    return any(part.head == index for part in expression.parts) and not any(
        index in part.anchors for part in expression.parts
    )


def toy_sentences(count: int = 60, seed: int = 0) -> list[str]:
    """What is written about drawn scenes, for a tokenizer that knows each of its words."""
    prompts = ["We can see in the image: . Base on that, we can detect: .", "Question: Short Answer: Answer:"]
    phrases = [
        f"{part.text} {plural(part.text)}"
        for scene in scenes(WorldConfig(), count, seed)
        for expression in scene.expressions()
        for part in expression.parts
    ]
    return [*prompts, *phrases]
