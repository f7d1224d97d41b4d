# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What the studies of both papers share: cells of trainings and measurements, training itself, curves through scores."""

import shutil
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from promvil_hf.pages.charts import Series
from promvil_hf.toy.config import WorldConfig
from studies.cells import Cell
from studies.results import Score
from studies.terms import Terms


Results = Mapping[Hashable, Mapping[str, Any]]


@dataclass(frozen=True)
class Method:
    """How the studies of one paper fine-tune and measure.

    Args:
        fine_tune: The work of the cell of a fine-tuned model.
        tuning: Its settings.
        quick_tuning: What of them is different in a quick run.
        world: The world that is measured on.
        scenes: Held-out scenes of it.
        quick_scenes: As many in a quick run.
    """

    fine_tune: Callable[..., Mapping[str, Any]]
    tuning: Mapping[str, Any]
    quick_tuning: Mapping[str, Any]
    world: WorldConfig
    scenes: int
    quick_scenes: int

    def settings(self, terms: Terms, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Settings of a training with some of them changed; a name that is none of them is refused."""
        unknown = changes.keys() - self.tuning.keys()
        if unknown:
            raise ValueError(f"You passed {sorted(unknown)} to tuned: it knows {', '.join(sorted(self.tuning))}.")
        return {**self.tuning, **(self.quick_tuning if terms.quick else {}), **changes}

    def tuned(self, terms: Terms, seed: int, **changes: Any) -> Cell:
        """The cell of a fine-tuned model. `changes` are to `tuning`."""
        return Cell(self.fine_tune, {**self.settings(terms, changes), "seed": seed}, {"base": terms.base})

    def measured(self, work: Callable, terms: Terms, seed: int, trained: Cell | None, **settings: Any) -> Cell:
        """The cell of what a model (None: the base) does on held-out scenes."""
        scenes = self.quick_scenes if terms.quick else self.scenes
        needs = {"base": terms.base} if trained is None else {"base": terms.base, "trained": trained}
        return Cell(work, {"seed": seed, "scenes": scenes, "world": asdict(self.world), **settings}, needs)

    def compared(
        self,
        terms: Terms,
        models: Mapping[Hashable, Mapping[str, Any] | None],
        measures: Mapping[tuple, Callable[[Terms, int, Cell | None], Cell]],
    ) -> dict[Hashable, Cell]:
        """Cells of fine-tuned models, called ("tuned", model, seed), and of their measurements, called (*measure, model, seed).

        `models` are changes of `tuning` by name, None is the base.
        """
        cells: dict[Hashable, Cell] = {}
        for seed in terms.seeds:
            for name, changes in models.items():
                trained = None if changes is None else self.tuned(terms, seed, **changes)
                if trained is not None:
                    cells["tuned", name, seed] = trained
                cells |= {(*kind, name, seed): measure(terms, seed, trained) for kind, measure in measures.items()}
        return cells

    def shown_settings(self, terms: Terms, trainings: Results, changes: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that stand in result.json; `trainings` are results of `fine_tune` by what they are called."""
        plain = self.settings(terms, changes)
        del plain["world"]
        return {
            "training": plain,
            "held_out_scenes": self.quick_scenes if terms.quick else self.scenes,
            "updates": {name: found["updates"] for name, found in trainings.items()},
        }


def of_seeds(terms: Terms, results: Results, *name: Hashable) -> dict[int, Mapping[str, Any]]:
    """seed -> result of the cells that are called (*name, seed)."""
    return {seed: results[*name, seed] for seed in terms.seeds}


def first_trainings(terms: Terms, results: Results, names: Mapping[str, tuple] | Iterable[Hashable]) -> Results:
    """Results of the trainings called ("tuned", *name, seed) with the first seed; `names` may say how to call them."""
    called = names if isinstance(names, Mapping) else {name: (name,) for name in names}
    return {name: results["tuned", *key, terms.seeds[0]] for name, key in called.items()}


def world_of(settings: Mapping[str, Any]) -> WorldConfig:
    """Back from JSON, where tuples are lists."""
    plain = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    return WorldConfig(**{**plain, "held_out": tuple(map(tuple, settings["held_out"]))})


def curve(name: str, scores: Mapping[Any, Score]) -> Series:
    """A curve through scores, by their places or names along x."""
    values = scores.values()
    return Series(
        name,
        list(scores),
        [score.estimate for score in values],
        [score.low for score in values],
        [score.high for score in values],
    )


# Inside a cell; torch is loaded where the work begins


def training_settings(seed: int, scenes: int, passes: float, batch: int, learning_rate: float) -> dict[str, Any]:
    """For the configurations of both trainers: `batch` is in scenes, one process on the CPU, checkpoints on the way."""
    updates = max(1, round(scenes * passes / batch))
    return {
        "seed": seed,
        "learning_rate": learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 0.1,
        "max_steps": updates,
        "per_device_train_batch_size": batch,
        "gradient_accumulation_steps": 1,
        "logging_steps": max(1, updates // 10),
        "save_steps": min(100, max(1, updates // 3)),
        "save_total_limit": 1,
        "disable_tqdm": True,
        "report_to": "none",
        "use_cpu": True,
    }


def train(trainer_class: type, config, model, processor, rows, adapter=None, watch=None):
    """Train with Muon in the config's folder, on from its last whole checkpoint, and keep the model or adapter alone; the
    trainer. `watch` is a `studies.watching.Watch`, for a study under the protocol."""
    from transformers import PrinterCallback

    from promvil_hf.toy.muon import Muon
    from promvil_hf.training.checkpoints import last_whole

    folder = Path(config.output_dir)
    trainer = trainer_class(
        model,
        config,
        processing_class=processor,
        train_dataset=rows,
        peft_config=adapter,
        make_optimizer=lambda trained: Muon(trained.named_parameters(), config.learning_rate),
    )
    trainer.remove_callback(PrinterCallback)  # the study shows one bar of its own
    if watch is not None:
        trainer.add_callback(watch)
    trainer.train(resume_from_checkpoint=last_whole(folder)[0])
    trainer.save_model()
    for path in folder.glob("checkpoint-*"):
        shutil.rmtree(path)
    return trainer


def logged(trainer, name: str) -> list[float]:
    """The values of a loss in the log of a training."""
    return [round(entry[name], 4) for entry in trainer.state.log_history if name in entry]


def backend_of(base: Path, trained: Path | None = None):
    """The backend of the base, of an adapter on it, or of a checkpoint that is whole; without a bar for its few tensors."""
    from transformers.utils import logging

    from promvil_hf.backends.loading import load

    logging.disable_progress_bar()
    if trained is None or (trained / "adapter_config.json").is_file():
        return load(base, trained, device="cpu")
    return load(trained, device="cpu")
