# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The options of a training command for model, rows and run, beside those of its trainer; and the parser.

The options of the adapter are in `promvil_hf.training.adapters`.

Defaults of a method are given to `parse`. trl is used for its parser alone.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promvil_hf.backends.loading import QUANTIZATIONS
from promvil_hf.files import read_yaml
from promvil_hf.spelling import unknown_option
from promvil_hf.training.option import one_of, option
from promvil_hf.training.row_sources import subset


DTYPES = ("float32", "bfloat16", "float16", "auto")
TRACKERS = ("trackio", "tensorboard", "wandb", "mlflow", "comet_ml", "clearml", "swanlab", "codecarbon", "dvclive")  # pip's names


@dataclass
class ModelArguments:
    """Which model, and how it is loaded."""

    model: str = option("toy", "Hub id or folder of a checkpoint; `toy` makes a tiny random one.")
    revision: str | None = option(None, "Of the model.")
    dtype: str = option("float32", f"Of the loaded weights: {', '.join(DTYPES)}.")
    attn_implementation: str | None = option(None, "sdpa, eager, flash_attention_2 … (Kosmos-2: sdpa or eager).")
    quantize: str | None = option(None, f"lora: load the frozen weights in {' or '.join(QUANTIZATIONS)} (QLoRA).")
    pad_images: bool = option(False, "LLaVA-1.5 alone: pad pictures to a square as its training code, in place of cropping.")

    def __post_init__(self):
        one_of("dtype", self.dtype, DTYPES)
        one_of("quantize", self.quantize, (None, *QUANTIZATIONS))


@dataclass
class DataArguments:
    """Which rows to train on, and which to evaluate on."""

    rows: str = option(
        "toy:200",
        "What to train on: a folder that `promvil build` wrote, a Hub id (with :configuration), a .json or .jsonl file, or "
        "toy:200 for drawn scenes.",
    )
    view: str | None = option(
        None, "Configuration of a data set, such as CompoVL's mixture or FiVL's instruct, if `rows` names none behind a colon."
    )
    split: str = option("train", "Split to train on.")
    eval_rows: str | None = option(None, "Rows to evaluate on; by default another split of `rows`.")
    eval_split: str | None = option(None, "Split to evaluate on, e.g. validation.")
    images: str = option("", "Folder that the names of pictures are relative to.")
    max_samples: int | None = option(None, "Train on at most so many rows, drawn at random.")
    fraction: float | None = option(None, "Train on this share of the rows, drawn at random.")
    max_eval_samples: int | None = option(None, "Evaluate on at most so many rows.")

    def training_rows(self, read: Callable[[str, str], Any], seed: int):
        return subset(read(self._source(self.rows), self.split), self.max_samples, self.fraction, seed)

    def evaluation_rows(self, read: Callable[[str, str], Any], seed: int):
        if not self.eval_rows and not self.eval_split:
            return None
        rows = read(self._source(self.eval_rows or self.rows), self.eval_split or "validation")
        return subset(rows, self.max_eval_samples, None, seed)

    def _source(self, rows: str) -> str:
        """The rows with their view, where they are a data set that can have one."""
        has_none = ":" in rows or not self.view or Path(rows).suffix in (".json", ".jsonl")
        return rows if has_none else f"{rows}:{self.view}"


@dataclass
class RunArguments:
    """What the command does with all that."""

    script: str | None = option(None, "A recipe names the script it is for, such as train_fivl. Others refuse it.")
    early_stopping: int | None = option(None, "Stop after so many evaluations without a gain.")
    sweep: list[str] | None = option(
        None, "Options with several values, `learning_rate=1e-4,1e-3 lora_r=8,64`: one run for each combination."
    )
    show_batch: str | None = option(None, "Write a page that shows the first batches as the model sees them, and stop.")
    show_labels: int = option(0, "Print what is trained in so many rows, as words, and stop.")
    dry_run: bool = option(False, "Say what would be trained, on which rows and in how many steps, and stop. Loads no model.")
    licence: str = option("other", "Of the adapter, for its card.")


def parse(
    kinds: Sequence[type],
    argv: Sequence[str] | None = None,
    description: str | None = None,
    defaults: Mapping[str, Any] | None = None,
    script: str | None = None,
) -> tuple:
    """One object of each dataclass, from `defaults`, `--config file.yaml` and the command line; the later wins. Unknown keys
    fail, and a file that names another script than this one."""
    from trl import TrlParser

    argv = list(sys.argv[1:] if argv is None else argv)
    if "--config" in argv[:-1]:
        path = Path(argv[argv.index("--config") + 1])
        if not path.is_file():
            raise ValueError(f"There is no recipe {path}: `promvil recipe list` names those that come with the package.")
        recipe = read_yaml(path)
        if not isinstance(recipe, dict) or not all(isinstance(key, str) for key in recipe):
            raise ValueError(f"The recipe {path} is not options by their names: it holds lines such as `learning_rate: 0.0001`.")
        named = recipe.get("script")
        if named not in (None, script):
            raise ValueError(
                f"The recipe {path} is for the script {named}, and you passed it to {script}: launch recipes/{named}.py, or "
                "use `promvil recipe run`, which takes the right one."
            )
    parser = TrlParser(kinds, description=description, allow_abbrev=False)
    parser.set_defaults(**defaults or {})
    if message := unknown_option(argv, {*parser._option_string_actions, "--config"}, f"{parser.prog} --help"):
        raise ValueError(message)
    try:
        settings = parser.parse_args_and_config(argv)
    except ValueError as error:
        if "Unknown arguments from config file" not in str(error):
            raise
        keys = [word.removeprefix("--") for word in str(error).split("[", 1)[1].split("]", 1)[0].split("'")[1::4]]
        raise ValueError(
            f"The recipe has keys that nothing knows: {', '.join(keys)}. Check their spelling against --help; each key is "
            "the name of an option without its dashes."
        ) from error
    _check_trackers(settings)
    return settings


def _check_trackers(settings: Sequence) -> None:
    """transformers says it when the trainer is built, after the model is loaded."""
    from transformers import integrations

    asked = [name for part in settings for name in getattr(part, "report_to", None) or ()]
    there = integrations.get_available_reporting_integrations()
    missing = [name for name in asked if name in TRACKERS and name not in there]
    if missing:
        raise ValueError(
            f"You passed report_to={', '.join(missing)}, which is not installed: pip install {' '.join(missing)}, or leave "
            "report_to out."
        )
