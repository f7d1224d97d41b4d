# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The objective of `recipes/assemble/see.py`: an assembled model learns to see photographs whose content is annotated."""

from dataclasses import dataclass, replace
from pathlib import Path

from promvil_hf.fivl.photograph_questions import WAYS
from promvil_hf.training.arguments import parse
from promvil_hf.training.option import one_of, option
from promvil_hf.training.run_training import run_as_script
from promvil_hf.training.seeing.stages import CLASSES, Seeing, see
from promvil_hf.training.seeing.table import table_text


HELP = """
Teach a model that `promvil assemble` made to see: align its projector with names, teach its language model to read them, measure.

    python recipes/assemble/see.py --model smol-llava --train instances_train.json --test instances_val.json \\
        --images photographs --output_dir runs/seeing

--train and --test are COCO's files of instances about different photographs. After a kill the same command goes on. The
checkpoint is in OUTPUT_DIR/model, the table of what it sees in OUTPUT_DIR/table.md. FiVL's stage comes after it:

    promvil build fivl --source coco --files instances_train.json captions_train.json --images photographs --out fivl
    promvil recipe run assemble/fivl --model runs/seeing/model --rows fivl --images photographs
"""
DEFAULTS = Seeing()


@dataclass
class SeeingArguments:
    """What is learned from, and how."""

    model: str = option("real:smol", "Folder or Hub id of a LLaVA whose projector is untrained; of two linear layers.")
    train: list[str] = option((), "COCO's files of instances to learn from.")
    test: list[str] = option((), "The same about other photographs, to measure with.")
    images: str = option("", "Folder of the photographs of both.")
    output_dir: str = option("runs/seeing", "Where everything is written.")
    seed: int = option(DEFAULTS.seed, "Of everything that is drawn.")
    align_steps: int = option(DEFAULTS.align.steps, "Steps of the first stage.")
    folds: int = option(DEFAULTS.folds, "Parts of the photographs; reading never sees places that the projector was trained on.")
    aligned_classes: str = option(DEFAULTS.aligned_classes, "Which classes take part in the alignment: all or half.", CLASSES)
    classifier: str | None = option(
        None, "A safetensors file, weight and bias of the tower's classifier: align by what it says, without labels."
    )
    classifier_names: str | None = option(None, "A text file: what the outputs of --classifier are called, one a line.")
    name_rows: int = option(DEFAULTS.name_rows, "Rows of names without photographs, the second stage.")
    reading_rows: int = option(DEFAULTS.rows, "Rows of the third stage, three quarters of them photographs.")
    questions: int = option(DEFAULTS.questions, "Questions in a row, at most.")
    batch: int = option(DEFAULTS.batch, "Rows in a step.")
    learning_rate: float = option(DEFAULTS.learning_rate, "Of both reading stages; it falls to 0 in the third.")
    lora_r: int = option(DEFAULTS.lora_r, "Rank of the adapter on the attention of the language model.")
    presence: str = option(DEFAULTS.presence, "How questions are chosen; see `promvil build fivl --help`.", WAYS)

    def __post_init__(self):
        one_of("aligned_classes", self.aligned_classes, CLASSES)
        one_of("presence", self.presence, WAYS)
        if not self.train or not self.test or not self.images:
            raise ValueError("Pass --train, --test and --images: COCO's files of instances, and the folder of their photographs.")
        if (self.classifier is None) != (self.classifier_names is None):
            raise ValueError("You passed one of --classifier and --classifier_names: a classifier needs both.")


def main(argv=None):
    run_as_script(train, argv)


def train(argv=None):
    """Parse, train, measure, and print the table, which is returned."""
    (chosen,) = parse((SeeingArguments,), argv, HELP)
    names = set(Seeing.__dataclass_fields__) & set(SeeingArguments.__dataclass_fields__)
    align = replace(DEFAULTS.align, steps=chosen.align_steps)
    how = replace(DEFAULTS, align=align, rows=chosen.reading_rows, **{name: getattr(chosen, name) for name in sorted(names)})
    table = see(chosen.model, chosen.train, chosen.test, chosen.images, chosen.output_dir, how)
    print(table_text(table))
    print(f"The checkpoint is in {Path(chosen.output_dir) / 'model'}.")
    return table
