# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A training command from its arguments to a checked adapter: `run_training(objective)`.

An `Objective` says what is special to a method: its trainer, its rows, the words of its card. Everything else is here.
"""

import itertools
import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import transformers
from transformers import EarlyStoppingCallback, TrainingArguments

from promvil_hf.backends.loading import load, read_config
from promvil_hf.distributed import Ranks, is_main_process
from promvil_hf.files import write_json
from promvil_hf.folder_lock import held
from promvil_hf.shown_text import in_markdown, shown_streams
from promvil_hf.training.adapter_card import CardFacts
from promvil_hf.training.adapters import AdapterArguments, adapted, frozen_vision, lora
from promvil_hf.training.arguments import DataArguments, ModelArguments, RunArguments, parse
from promvil_hf.training.checkpoints import check_adapter
from promvil_hf.training.curriculum import NO_LEVEL, times_trained, whole
from promvil_hf.training.shown_batches import ShownText, write_batches
from promvil_hf.training.window_config import WindowConfig
from promvil_hf.training.window_trainer import WindowTrainer
from promvil_hf.unread import going_on_unread
from promvil_hf.worker_processes import cores


TOY = "toy"
SHOWN_BATCHES = 3
LOCK_OF_TRAINING = "_lock"  # uploads of a trainer leave out what begins so
# Of `TrainingArguments`, what stands in the card; of our configurations everything does.
CARD_SETTINGS = ("learning_rate", "num_train_epochs", "per_device_train_batch_size", "gradient_accumulation_steps",
                 "warmup_steps", "seed", "bf16", "world_size")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Objective:
    """What one training script trains.

    Args:
        script: Its name in `recipes/`, without `.py`.
        help: What `--help` says first.
        method: Its name on the card.
        about: A sentence on the adapter, for the card.
        licence_note: What the card says of licences.
        tags: Of the card.
        trainer: The trainer of the objective.
        config: Its options.
        check_family: Raises for the configuration of a model that cannot be trained so.
        read_rows: Gives the rows of a source and a split.
        toy_base: Makes a tiny random model and its processor.
        data: Which rows; a subclass of `DataArguments` may have more options.
        defaults: Of the options, where the method has others.
        train: One run from its settings to a saved model; by default that of a `WindowTrainer`.
        plan: Says the steps of a dry run in a line, from the objective, the settings, the rows and the number of steps.
    """

    script: str
    help: str
    method: str
    about: str
    licence_note: str
    tags: Sequence[str]
    trainer: type[WindowTrainer]
    config: type[WindowConfig]
    check_family: Callable[[Any], None]
    read_rows: Callable[[str, str], Any]
    toy_base: Callable[[], tuple[Any, Any]]
    data: type[DataArguments] = DataArguments
    defaults: Mapping[str, Any] | None = None
    train: Callable[["Objective", "Settings"], Any] | None = None
    plan: Callable[["Objective", "Settings", Any, int], str] | None = None


class Settings(NamedTuple):
    """All options of one run."""

    model: ModelArguments
    adapter: AdapterArguments
    data: DataArguments
    run: RunArguments
    config: WindowConfig


def run_as_script(run: Callable[[Sequence[str]], object], argv: Sequence[str] | None = None) -> None:
    """Leave with a sentence instead of a traceback where the user can mend what is wrong (`--debug` shows both)."""
    argv = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in argv
    with shown_streams(), going_on_unread():
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


def run_training(objective: Objective, argv: Sequence[str] | None = None):
    """Parse, train, save, evaluate; gives the trainer, a sweep's table, or nothing where nothing is to be trained."""
    settings = settings_of(objective, argv)
    if settings.run.dry_run:
        return say_plan(objective, settings)
    train = objective.train or train_once
    if settings.run.show_batch or settings.run.show_labels:
        return train(objective, settings)
    with held(settings.config.output_dir, Ranks.of_torch(), LOCK_OF_TRAINING):
        return sweep(objective, settings) if settings.run.sweep else train(objective, settings)


def settings_of(objective: Objective, argv: Sequence[str] | None = None) -> Settings:
    kinds = (ModelArguments, AdapterArguments, objective.data, RunArguments, objective.config)
    argv = list(sys.argv[1:] if argv is None else argv)
    if is_dry(argv):
        argv += ["--use_cpu", "true"]  # nothing is trained, so a recipe with bf16 can be looked at without a GPU
    settings = Settings(*parse(kinds, argv, objective.help, objective.defaults, objective.script))
    patience, strategy = settings.run.early_stopping, str(settings.config.eval_strategy.value)
    if patience is not None and (patience < 1 or strategy == "no"):
        raise ValueError(
            f"You passed early_stopping={patience} with eval_strategy={strategy}: it counts evaluations without a gain, from "
            "1 on. Pass eval_strategy=steps or epoch, or leave early_stopping out."
        )
    if settings.model.quantize and settings.adapter.tune == "full":
        raise ValueError("You passed quantize with tune=full: rounded weights cannot be trained. Pass tune=lora.")
    return settings


def is_dry(argv: Sequence[str]) -> bool:
    """Whether --dry_run is asked for, by itself or with a value."""
    for word, following in itertools.zip_longest(argv, argv[1:], fillvalue=""):
        name, _, value = word.partition("=")
        if name in ("--dry_run", "--dry-run"):
            return (value or following).lower() not in ("false", "0", "no")
    return False


def say_plan(objective: Objective, settings: Settings) -> None:
    """Say what a run would do. The rows are read, so that a wrong name or folder is found before a model is loaded."""
    model, adapter, data, run, config = settings
    rows = data.training_rows(objective.read_rows, config.seed)
    evaluated = data.evaluation_rows(objective.read_rows, config.seed)
    at_once = config.per_device_train_batch_size * config.gradient_accumulation_steps * config.world_size
    steps = config.max_steps if config.max_steps > 0 else math.ceil(config.num_train_epochs * math.ceil(len(rows) / at_once))
    say(f"{how(settings)} of {model.model} on {len(rows):,} rows of {data.rows}"
        + (f", evaluated on {len(evaluated):,}" if evaluated else ""))  # fmt: skip
    if parts := parts_of(rows):
        say(f"rows by part: {parts}")
    planned = objective.plan(objective, settings, rows, steps) if objective.plan else f"{steps:,} steps of {at_once} rows"
    say(f"{planned} by {config.world_size} process{'es' * (config.world_size > 1)}, learning rate {config.learning_rate:g}, "
        f"written to {config.output_dir}")  # fmt: skip
    if run.sweep:
        runs = [len(values) for _, values in (swept(entry, settings) for entry in run.sweep)]
        say(f"{math.prod(runs)} runs of this kind: {', '.join(run.sweep)}")
    say("Nothing was trained: leave --dry-run out to train.")


def train_once(objective: Objective, settings: Settings) -> WindowTrainer:
    """One run: gives the trainer."""
    model, adapter, data, run, config = settings
    if not sys.stderr.isatty():
        config.disable_tqdm = True  # bars are for people
    config.dataloader_num_workers = min(config.dataloader_num_workers, cores())
    trainer = make_trainer(objective, settings)
    evaluated = trainer.eval_dataset
    say(f"{config.world_size} process{'es' * (config.world_size > 1)} on {config.device.type}, "
        f"{len(trainer.train_dataset):,} rows" + (f", {len(evaluated):,} to evaluate on" if evaluated else ""))  # fmt: skip
    if parts := parts_of(trainer.train_dataset.rows):
        say(f"rows by part: {parts}")
    say(f"{how(settings)} {adapted(trainer.model)}")
    if config.schedule() is not None or trainer.levels_are_at_hand:
        tell_schedule(trainer)
    if run.show_labels:
        rows = [trainer.train_dataset[number] for number in range(min(run.show_labels, len(trainer.train_dataset)))]
        texts = (text for row in rows for text in trainer.shown([row], trainer.data_collator([row])))
        say("\n\n".join(map(str, texts)))
    if run.show_batch:
        title = f"{objective.method}, {how(settings)}"
        say(f"what the model sees: {write_batches(run.show_batch, first_batches(trainer), title)}")
    if run.show_batch or run.show_labels:
        return trainer
    resume = {None: None, "true": True, "True": True, "false": None, "False": None}
    asked = config.resume_from_checkpoint
    trainer.train(resume_from_checkpoint=resume.get(asked, asked))
    finish(trainer)
    return trainer


def parts_of(rows) -> str:
    """How many rows come from each part of a mixture, where rows say so."""
    if "dataset" in getattr(rows, "column_names", ()):
        names = rows["dataset"]
    else:
        names = [row["dataset"] for row in rows if isinstance(row, Mapping) and row.get("dataset")]
    return ", ".join(f"{name} {count:,}" for name, count in sorted(Counter(names).items()))


def make_trainer(objective: Objective, settings: Settings) -> WindowTrainer:
    """Model, rows and trainer of these settings."""
    model_arguments, adapter, data, run, config = settings
    rows = data.training_rows(objective.read_rows, config.seed)
    evaluated = data.evaluation_rows(objective.read_rows, config.seed)
    model, processor = load_base(objective, model_arguments)
    if adapter.tune == "full" and not adapter.tune_vision:
        frozen_vision(model)
    trainer = objective.trainer(
        model,
        config,
        processing_class=processor,
        train_dataset=rows,
        eval_dataset=evaluated,
        peft_config=lora(adapter, model, revision=model_arguments.revision) if adapter.tune == "lora" else None,
        image_root=data.images,
        callbacks=[] if run.early_stopping is None else [EarlyStoppingCallback(run.early_stopping)],
    )
    if adapter.tune == "lora":
        trainer.card = card_facts(objective, settings, len(rows))
    return trainer


def load_base(objective: Objective, arguments: ModelArguments) -> tuple[Any, Any]:
    """Model and processor."""
    if arguments.model == TOY:
        model, processor = objective.toy_base()
    else:
        objective.check_family(read_config(arguments.model, arguments.revision))
        backend = load(
            arguments.model,
            dtype=arguments.dtype,
            quantize=arguments.quantize,
            revision=arguments.revision,
            device=None if arguments.quantize else "cpu",  # quantised on its GPU; others are moved there by the trainer
        )
        model, processor = backend.model, backend.processor
    if arguments.attn_implementation:
        model.set_attn_implementation(arguments.attn_implementation)
    if arguments.pad_images:
        processor.image_processor = padded(processor)
    return model, processor


def padded(processor):
    """LLaVA's image processor with the picture on a square of its own mean colour, as the original training code has it."""
    if not isinstance(processor, transformers.LlavaProcessor):
        raise ValueError(
            f"You passed pad_images with a {type(processor).__name__}: it is for LLaVA-1.5, whose published processor "
            "crops. Leave it out."
        )
    left_out = ("image_processor_type", "do_pad")
    settings = {name: value for name, value in processor.image_processor.to_dict().items() if name not in left_out}
    return transformers.LlavaImageProcessor(**settings, do_pad=True)


def how(settings: Settings) -> str:
    """How the model is trained, in two or three words."""
    model, adapter, *_ = settings
    return f"{model.quantize + ' ' if model.quantize else ''}LoRA on `{adapter.lora_scope}`" if adapter.tune == "lora" else "full"


def tell_schedule(trainer: WindowTrainer) -> None:
    """Say what an epoch trains, level by level."""
    levels, schedule = trainer.train_dataset.levels, trainer.args.schedule()
    cuts = map(whole, range(len(levels))) if schedule is None else schedule.epoch(levels, trainer.args.seed, 0)
    cuts, often = list(cuts), Counter()
    for (_, level), times in times_trained(cuts, levels).items():
        often[level] += times
    say(f"curriculum `{trainer.args.curriculum}`: {len(cuts):,} cuts an epoch")
    for level, count in sorted(Counter(level for row in levels for level in row).items()):
        name = "without a level" if level == NO_LEVEL else f"level {level}"
        say(f"  {name}: {count:,} rows, trained {often[level]:,} times an epoch")


def first_batches(trainer: WindowTrainer) -> Iterator[tuple[Mapping, Iterator[ShownText]]]:
    """The first batches of a training, and what is shown of each."""
    collate = trainer.data_collator
    trainer.data_collator = lambda rows: {"rows": rows, "batch": collate(rows)}
    loader = trainer.get_train_dataloader()
    trainer.data_collator = collate
    for loaded in islice(iter(loader), SHOWN_BATCHES):
        batch = {name: tensor.cpu() for name, tensor in loaded["batch"].items()}
        yield batch, trainer.shown(loaded["rows"], batch)


def finish(trainer: WindowTrainer) -> None:
    """Save, read an adapter back, evaluate, write its card, push."""
    trainer.save_model()
    trainer.save_state()
    metrics = trainer.evaluate() if trainer.eval_dataset is not None else {}
    if trainer.is_world_process_zero():
        for name in dict.fromkeys(("loss", *trainer.mixture)):
            values = [entry[name] for entry in trainer.state.log_history if name in entry]
            if values:
                say(f"  {name} {values[0]:.3f} -> {values[-1]:.3f}")
        for name, value in sorted(metrics.items()):
            say(f"  {name}: {value:.4g}")
        if metrics.get("eval_parse_rate") == 0:
            say("  no answer holds a box yet: train longer, or start from a base that writes boxes")
        if hasattr(trainer.model, "peft_config"):
            tensors = check_adapter(trainer.model, trainer.args.output_dir, same_values=True)
            trainer.create_model_card()
            say(f"  {tensors} adapter tensors in {trainer.args.output_dir} read back equal")
        for remark in trainer.remarks():
            say(f"  {remark}")
    if trainer.args.push_to_hub:
        trainer.push_to_hub()


def card_facts(objective: Objective, settings: Settings, rows: int) -> CardFacts:
    """What the adapter's card says."""
    model, adapter, data, run, config = settings
    on_the_hub = data.rows.count("/") == 1 and not Path(data.rows).exists()
    parents = {option.name for option in fields(TrainingArguments)}
    names = [option.name for option in fields(config) if option.name not in parents] + list(CARD_SETTINGS)
    return CardFacts(
        base_model=model.model,
        title=f"{objective.method} on {in_markdown(model.model)} ({how(settings)})",
        about=objective.about,
        data=f"{rows:,} rows of {in_markdown(data.rows)}, split {in_markdown(data.split)}.",
        datasets=[data.rows.partition(":")[0]] if on_the_hub else [],
        licence=run.licence,
        licence_note=objective.licence_note,
        settings={
            **asdict(model), **asdict(adapter), **asdict(data), "early_stopping": run.early_stopping,
            **{name: getattr(config, name) for name in names},
        },
        tags=objective.tags,
    )  # fmt: skip


def sweep(objective: Objective, settings: Settings) -> list[dict]:
    """One run for each combination of the values, each in a folder of its own, and a table of their last figures."""
    varied = [swept(entry, settings) for entry in settings.run.sweep]
    path = Path(settings.config.output_dir, "sweep.json")
    table: list[dict] = []
    for chosen in itertools.product(*([(name, value) for value in values] for name, values in varied)):
        values = dict(chosen)
        name = "-".join(f"{key}={value}" for key, value in values.items())
        say(f"\n{name}")
        changes = values | {"sweep": None, "output_dir": str(Path(settings.config.output_dir, name))}
        trainer = (objective.train or train_once)(objective, Settings(*(changed(part, changes) for part in settings)))
        last = {key: value for entry in trainer.state.log_history for key, value in entry.items()}
        terms = {key: last[key] for key in trainer.mixture if key in last}
        table.append(values | terms | trainer.last_scores())
        if trainer.is_world_process_zero():
            write_json(path, table)
    shown = list(dict.fromkeys(key for row in table for key in row))
    say("\n" + "  ".join(f"{key:>18}" for key in shown))
    for row in table:
        cells = (row.get(key, "-") for key in shown)
        say("  ".join(f"{cell:>18.4g}" if isinstance(cell, float) else f"{cell!s:>18}" for cell in cells))
    say(f"Written to {path}")
    return table


def swept(entry: str, settings: Settings) -> tuple[str, list]:
    """`name=a,b` -> the option's name and its values, of the option's type."""
    name, equals, values = entry.partition("=")
    owner = next((part for part in settings if name in {option.name for option in fields(part) if option.init}), None)
    if not equals or owner is None or name in ("sweep", "script", "output_dir"):
        raise ValueError(
            f"You passed the sweep {entry!r}: write an option and its values, such as vision_loss_weight=0,0.1,0.3. Options "
            "are those of --help."
        )
    known = getattr(owner, name)

    def read(text: str):
        try:
            value = json.loads(text)
        except ValueError:
            return text
        return float(value) if isinstance(known, float) and isinstance(value, int) else value

    return name, [read(value) for value in values.split(",")]


def changed(part, values: Mapping[str, Any]):
    """The same arguments with some values changed. Built anew from the fields, because building derives others."""
    arguments = {option.name: getattr(part, option.name) for option in fields(part) if option.init}
    return type(part)(**arguments | {name: value for name, value in values.items() if name in arguments})
