# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A question of GQA's kind, in the making (`Draft`) and finished (`GqaQuestion`), in GQA's own form.

Texts are kept in pieces that know which object they name; from these come the text, and GQA's annotations. No torch.
"""

from dataclasses import dataclass, field

from promvil_hf.toy.questions import KeyRegion
from promvil_hf.toy.scenery import Scene


@dataclass(frozen=True, slots=True)
class GqaQuestion:
    """One question with everything GQA records about it.

    Args:
        question_id: Unique over a world.
        image_id: Of its scene.
        question: Its text.
        answer: One or two words.
        full_answer: The answer as a sentence.
        semantic: The program: `{"operation", "argument", "dependencies"}` per step.
        types: GQA's `detailed`, `semantic` and `structural` type.
        groups: GQA's `global` and `local` group.
        annotations: Which words of question and answers name which object.
        keys: Key expressions with their objects.
    """

    question_id: str
    image_id: int
    question: str
    answer: str
    full_answer: str
    semantic: tuple[dict, ...]
    types: dict
    groups: dict
    annotations: dict
    keys: tuple[KeyRegion, ...]

    def to_gqa(self) -> dict:
        """The value of this question in GQA's question file."""
        steps = []
        for step in self.semantic:
            needs = f" [{', '.join(map(str, step['dependencies']))}]" if step["dependencies"] else ""
            steps.append(f"{step['operation']}: {step['argument']}{needs}")
        return {
            "annotations": self.annotations,
            "answer": self.answer,
            "entailed": [],
            "equivalent": [self.question_id],
            "fullAnswer": self.full_answer,
            "groups": self.groups,
            "imageId": str(self.image_id),
            "isBalanced": True,
            "question": self.question,
            "semantic": [dict(step) for step in self.semantic],
            "semanticStr": "->".join(steps),
            "types": self.types,
        }


Piece = str | tuple[str, int]  # words, or words that name the object at a position
TYPES = {  # detailed type: semantic and structural type
    "directOf": ("attr", "query"),
    "directWhich": ("attr", "query"),
    "positionQuery": ("attr", "query"),
    "chooseAttr": ("attr", "choose"),
    "verifyAttr": ("attr", "verify"),
    "verifyAttrs": ("attr", "logical"),
    "twoSame": ("attr", "compare"),
    "existAttr": ("obj", "verify"),
    "existRelS": ("rel", "verify"),
    "relS": ("rel", "query"),
    "relO": ("rel", "query"),
    "relVerify": ("rel", "verify"),
    "relChooser": ("rel", "choose"),
}


@dataclass(slots=True)
class Draft:
    """A question in the making: texts in pieces, and a program that grows step by step.

    Args:
        detailed: GQA's detailed type, one of `TYPES`.
        answer: One or two words.
        question: In pieces.
        full_answer: The answer as a sentence, in pieces.
        local: GQA's local group.
        keys: Key expressions with the positions of their objects.
        group: GQA's global group.
        steps: The program so far.
        answer_object: Position of the object that the answer names.
    """

    detailed: str
    answer: str
    question: list[Piece]
    full_answer: list[Piece]
    local: str
    keys: list[tuple[str, list[int]]]
    group: str | None = None
    steps: list[dict] = field(default_factory=list)
    answer_object: int | None = None

    def step(self, operation: str, argument: str, *needs: int) -> int:
        """Add a step that depends on earlier ones; its number is returned."""
        self.steps.append({"operation": operation, "argument": argument, "dependencies": list(needs)})
        return len(self.steps) - 1

    @staticmethod
    def text(pieces: list[Piece]) -> str:
        words = "".join(piece if isinstance(piece, str) else piece[0] for piece in pieces)
        return words[0].upper() + words[1:]

    @staticmethod
    def words(pieces: list[Piece], first_id: int) -> dict[str, str]:
        """Spans of words, counted as GQA counts them, and the object each names."""
        spans, before = {}, ""
        for piece in pieces:
            if isinstance(piece, str):
                before += piece
                continue
            start = len(before.split())
            end = start + len(piece[0].split())
            spans[str(start) if end == start + 1 else f"{start}:{end}"] = str(first_id + piece[1])
            before += piece[0]
        return spans

    def finished(self, scene: Scene, question_id: str, question: str) -> GqaQuestion:
        first_id = scene.objects[0].object_id
        semantic, structural = TYPES[self.detailed]
        return GqaQuestion(
            question_id=question_id,
            image_id=scene.image_id,
            question=question,
            answer=self.answer,
            full_answer=self.text(self.full_answer),
            semantic=tuple(self.steps),
            types={"detailed": self.detailed, "semantic": semantic, "structural": structural},
            groups={"global": self.group, "local": self.local},
            annotations={
                "answer": {} if self.answer_object is None else {"0": str(first_id + self.answer_object)},
                "question": self.words(self.question, first_id),
                "fullAnswer": self.words(self.full_answer, first_id),
            },
            keys=tuple(
                KeyRegion(text, 0, tuple(first_id + position for position in positions))
                for text, positions in self.keys
            ),
        )
