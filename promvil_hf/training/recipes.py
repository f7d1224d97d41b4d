# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What training commands share: settings from YAML and command line, rows from a source, the end of a run.

Floor 4. trl is used for its parser alone.
"""

import random
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from promvil_hf.distributed import is_main_process


TRACKERS = ("trackio", "tensorboard", "wandb", "mlflow", "comet_ml", "clearml", "swanlab", "codecarbon", "dvclive")  # pip's names


def parse(kinds: Sequence[type], argv: Sequence[str] | None = None, description: str | None = None):
    """One object of each dataclass, from `--config file.yaml` and the command line, which wins. Unknown keys fail."""
    from trl import TrlParser

    argv = list(sys.argv[1:] if argv is None else argv)
    if "--config" in argv[:-1]:
        path = Path(argv[argv.index("--config") + 1])
        if not path.is_file():
            raise ValueError(f"There is no recipe {path}: `promvil recipe list` names those that come with the package.")
    parser = TrlParser(kinds, description=description)
    try:
        settings = parser.parse_args_and_config(argv)
        _check_trackers(settings)
        return settings
    except ValueError as error:
        if "Unknown arguments from config file" not in str(error):
            raise
        keys = [word.removeprefix("--") for word in str(error).split("[", 1)[1].split("]", 1)[0].split("'")[1::4]]
        raise ValueError(
            f"The recipe has keys that nothing knows: {', '.join(keys)}. Check their spelling against --help; each key is "
            "the name of an option without its dashes."
        ) from error


def _check_trackers(settings: Sequence) -> None:
    """The parent would say it when the model is loaded, and only then."""
    from transformers import integrations

    asked = [name for own in settings for name in getattr(own, "report_to", None) or ()]
    there = integrations.get_available_reporting_integrations()
    missing = [name for name in asked if name in TRACKERS and name not in there]
    if missing:
        raise ValueError(
            f"You passed report_to={', '.join(missing)}, which is not installed: pip install {' '.join(missing)}, or leave "
            "report_to out."
        )


def run_as_script(run: Callable[[Sequence[str]], object], argv: Sequence[str] | None = None) -> None:
    """Leave with a sentence instead of a traceback where the user can mend what is wrong (`--debug` shows both)."""
    argv = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in argv
    try:
        run([word for word in argv if word != "--debug"])
    except (ValueError, OSError, ImportError) as error:
        if debug:
            raise
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        sys.exit(2)


def say(*words) -> None:
    """Print on one process of all."""
    if is_main_process():
        print(*words, flush=True)


def subset(rows, max_samples: int | None = None, fraction: float | None = None, seed: int = 0):
    """A random part of the rows. With one seed a smaller part lies within every larger one, as data-scaling runs need."""
    if fraction is not None and not 0 < fraction <= 1:
        raise ValueError(f"You passed a fraction of {fraction}: it is a share of the rows, above 0 and at most 1.")
    if max_samples is not None and max_samples < 1:
        raise ValueError(f"You passed max_samples={max_samples}: train on at least one row.")
    kept = len(rows) if fraction is None else max(1, round(fraction * len(rows)))
    kept = min(kept, max_samples or kept)
    if kept >= len(rows):
        return rows
    chosen = list(range(len(rows)))
    random.Random(seed).shuffle(chosen)
    chosen = sorted(chosen[:kept])
    return rows.select(chosen) if hasattr(rows, "select") else [rows[number] for number in chosen]


def read_source(source: str, split: str, toy: Callable[[int, int], Iterable[dict]]):
    """Rows of a source.

    Args:
        source: `toy:200` (drawn scenes) or `toy:200:7` (another seed); a `.json` or `.jsonl` file; a folder of Parquet or a
            data set of the Hub, with a configuration behind a colon (`promvil/compovl:mixture`).
        split: Of a data set.
        toy: Makes the rows of a number of scenes and a seed.
    """
    if source.split(":")[0] == "toy":
        try:
            count, seed = (int(number) for number in (*source.split(":")[1:], "0")[:2])
        except ValueError:
            raise ValueError(f"You passed the data {source!r}: write toy:200, or toy:200:7 with a seed.") from None
        return list(toy(count, seed))
    path = Path(source)
    if path.suffix in (".json", ".jsonl"):
        from promvil_hf.compovl.mixture import read_rows

        return read_rows(path)
    import datasets

    name, _, config = source.partition(":")
    if not Path(name).is_dir() and (name.count("/") != 1 or name.startswith((".", "/"))):
        raise ValueError(
            f"There is no data {source!r}: name a folder of Parquet files, a .json or .jsonl file of rows, a data set of the "
            "Hub (owner/name, owner/name:configuration), or toy:200."
        )
    try:
        return datasets.load_dataset(name, config or None, split=split)
    except (FileNotFoundError, ValueError, ConnectionError) as error:
        raise ValueError(f"Cannot load the split {split!r} of {source!r}: {error}") from error
