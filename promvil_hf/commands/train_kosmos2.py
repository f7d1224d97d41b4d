# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Fine-tune Kosmos-2 with LoRA on nested phrases (PromViL).

    accelerate launch recipes/train_kosmos2.py --config recipes/kosmos2/lora.yaml --data compovl --image_root vg
    promvil recipe run kosmos2/smoke

Every option can stand in the YAML file; the command line wins. Besides those below, all options of
`transformers.TrainingArguments` hold (learning_rate, eval_strategy, report_to, push_to_hub …).

Floor 5.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path

from promvil_hf.backends.loading import QUANTIZATIONS
from promvil_hf.backends.lora_scopes import SCOPES, lora_config


TOY = "toy"


@dataclass
class Kosmos2Recipe:
    """Which model, which adapter, which rows."""

    model: str = field(
        default="microsoft/kosmos-2-patch14-224",
        metadata={"help": "Hub id or folder of a Kosmos-2; `toy` makes a tiny random one."},
    )
    revision: str | None = field(default=None, metadata={"help": "Of the model."})
    dtype: str = field(default="float32", metadata={"help": "Of the frozen weights: float32 (the paper), bfloat16, float16."})
    quantize: str | None = field(
        default=None, metadata={"help": f"Load the frozen weights in {' or '.join(QUANTIZATIONS)} (QLoRA)."}
    )
    lora_scope: str = field(
        default="reference",
        metadata={"help": f"Which layers LoRA adapts: {', '.join(SCOPES)}. The paper's adapts both towers."},
    )
    lora_r: int = field(default=64, metadata={"help": "Rank (the paper: 64)."})
    lora_alpha: float = field(default=32.0, metadata={"help": "Scaling (the paper: 32)."})
    lora_dropout: float = field(default=0.1, metadata={"help": "Dropout before the adapter (the paper: 0.1)."})
    data: str = field(
        default="promvil/compovl:mixture",
        metadata={"help": "Rows: a folder or Hub id (with :configuration), a .json or .jsonl file, or toy:200."},
    )
    data_split: str = field(default="train", metadata={"help": "Split to train on."})
    eval_data: str | None = field(default=None, metadata={"help": "Rows to evaluate on; by default another split of `data`."})
    eval_split: str | None = field(default=None, metadata={"help": "Split to evaluate on, e.g. validation."})
    image_root: str = field(default="", metadata={"help": "Folder that relative image paths start from."})
    max_samples: int | None = field(default=None, metadata={"help": "Train on at most so many rows, drawn at random."})
    fraction: float | None = field(default=None, metadata={"help": "Train on this share of the rows, drawn at random."})
    max_eval_samples: int | None = field(default=None, metadata={"help": "Evaluate on at most so many rows."})
    early_stopping: int | None = field(default=None, metadata={"help": "Stop after so many evaluations without a gain."})
    show_batch: str | None = field(
        default=None, metadata={"help": "Write a page that shows the first batches as the model sees them, and stop."}
    )
    licence: str = field(default="mit", metadata={"help": "Of the adapter, for its card."})

    def __post_init__(self):
        if self.lora_scope not in SCOPES:
            raise ValueError(f"You passed lora_scope={self.lora_scope!r}: it is one of {', '.join(SCOPES)}.")
        if self.quantize is not None and self.quantize not in QUANTIZATIONS:
            raise ValueError(f"You passed quantize={self.quantize!r}: it is one of {', '.join(QUANTIZATIONS)}.")
        if self.dtype not in ("float32", "bfloat16", "float16", "auto"):
            raise ValueError(f"You passed dtype={self.dtype!r}: it is float32, bfloat16, float16 or auto.")


def main(argv=None):
    from promvil_hf.training.recipes import run_as_script

    run_as_script(train, argv)


def train(argv=None):
    """Parse, train, save, evaluate; gives the trainer."""
    from promvil_hf.training.promvil_config import PromViLConfig
    from promvil_hf.training.recipes import parse, read_source, say, subset

    recipe, config = parse((Kosmos2Recipe, PromViLConfig), argv, __doc__.partition("\n\nFloor")[0])
    rows = subset(read_source(recipe.data, recipe.data_split, toy_rows), recipe.max_samples, recipe.fraction, config.seed)
    evaluated = None
    if recipe.eval_data or recipe.eval_split:
        evaluated = read_source(recipe.eval_data or recipe.data, recipe.eval_split or "validation", toy_rows)
        evaluated = subset(evaluated, recipe.max_eval_samples, None, config.seed)
    trainer = make_trainer(recipe, config, rows, evaluated)
    say(f"{config.world_size} process{'es' * (config.world_size > 1)} on {config.device.type}, {len(rows):,} rows")
    tell_schedule(trainer, say)
    if recipe.show_batch:
        from promvil_hf.training.batch_page import write_batches

        loader = trainer.get_train_dataloader()
        say(f"what the model sees: {write_batches(recipe.show_batch, loader, recipe_name(recipe), trainer.processing_class)}")
        return trainer
    trainer.train(resume_from_checkpoint=_resume(config.resume_from_checkpoint))
    finish(trainer, recipe, say)
    return trainer


def make_trainer(recipe: Kosmos2Recipe, config, rows, evaluated):
    """The trainer of a recipe, its adapter put on and told about."""
    from transformers import EarlyStoppingCallback

    from promvil_hf.training.adapters import adapted
    from promvil_hf.training.promvil_trainer import PromViLTrainer
    from promvil_hf.training.recipes import say

    model, processor = load_base(recipe)
    lora = lora_config(recipe.lora_scope, r=recipe.lora_r, alpha=recipe.lora_alpha, dropout=recipe.lora_dropout)
    lora.revision = recipe.revision  # peft itself writes down which model it is put on
    trainer = PromViLTrainer(
        model,
        config,
        processing_class=processor,
        train_dataset=rows,
        eval_dataset=evaluated,
        peft_config=lora,
        image_root=recipe.image_root,
        callbacks=[] if recipe.early_stopping is None else [EarlyStoppingCallback(recipe.early_stopping)],
    )
    trainer.card = card_facts(recipe, config, len(rows))
    say(f"LoRA on `{recipe.lora_scope}` {adapted(trainer.model)}")
    return trainer


def load_base(recipe: Kosmos2Recipe):
    """Model and processor."""
    if recipe.model == TOY:
        return toy_base()
    import transformers

    from promvil_hf.backends.families import KOSMOS2, family_of
    from promvil_hf.backends.loading import load

    base = transformers.AutoConfig.from_pretrained(recipe.model, revision=recipe.revision)
    if family_of(base) is not KOSMOS2:
        raise ValueError(
            f"You passed the model {recipe.model}, which is of the type {base.model_type!r}: this recipe trains Kosmos-2, "
            "whose text and layers it knows. For models whose image tokens are patches there is train_fivl."
        )
    # Each process its own GPU: four-bit weights are made there, others are moved there by the trainer.
    device = None if recipe.quantize else "cpu"
    backend = load(recipe.model, dtype=recipe.dtype, quantize=recipe.quantize, revision=recipe.revision, device=device)
    return backend.model, backend.processor


def toy_base():
    """A small random Kosmos-2 whose words are those of drawn scenes."""
    import torch

    from promvil_hf.toy.chains import toy_sentences
    from promvil_hf.toy.models import tiny_kosmos2

    tiny = tiny_kosmos2(sentences=toy_sentences(), width=96, layers=3, image_size=56, gain=1, latent_query_num=16)
    words = tiny.model.get_input_embeddings()
    with torch.no_grad():  # as large as a trained model's, or the frozen head could say nothing with confidence
        words.weight.mul_(words.embedding_dim**0.5)
    return tiny.model, tiny.processor


def toy_rows(count: int, seed: int):
    """Every expression of `count` drawn scenes."""
    from promvil_hf.toy.chains import chain_of
    from promvil_hf.toy.world import WorldConfig, scenes

    for scene in scenes(WorldConfig(image_size=(112, 112)), count, seed):
        image = scene.image()
        for expression in scene.expressions():
            yield {"image": image, "chain": chain_of(scene, expression)}


def tell_schedule(trainer, say):
    """What an epoch trains, level by level."""
    from collections import Counter

    from promvil_hf.training.curriculum import NO_LEVEL, times_trained

    schedule = trainer.args.schedule()
    levels = trainer.train_dataset.levels
    rows = Counter(level for own in levels for level in own)
    cuts = None if schedule is None else schedule.epoch(levels, trainer.args.seed, 0)
    often = Counter()
    if cuts is not None:
        for (_, level), times in times_trained(cuts, levels).items():
            often[level] += times
    say(f"curriculum `{trainer.args.curriculum}`: {len(levels) if cuts is None else len(cuts):,} cuts an epoch")
    for level, count in sorted(rows.items()):
        name = "questions" if level == NO_LEVEL else f"level {level}"
        say(f"  {name}: {count:,} rows" + (f", trained {often[level]:,} times an epoch" if cuts is not None else ""))


def finish(trainer, recipe: Kosmos2Recipe, say):
    """Save the adapter, read it back, evaluate, write the card, push."""
    from promvil_hf.training.checkpoints import check_adapter

    trainer.save_model()
    trainer.save_state()
    metrics = trainer.evaluate() if trainer.eval_dataset is not None else {}
    if trainer.is_world_process_zero():
        tensors = check_adapter(trainer.model, trainer.args.output_dir, same_values=True)
        trainer.create_model_card()
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        fell = f"loss {losses[0]:.3f} -> {losses[-1]:.3f}" if losses else "no loss was logged"
        say(f"{fell}; {tensors} adapter tensors in {trainer.args.output_dir} read back equal")
        for name, value in sorted(metrics.items()):
            say(f"  {name}: {value:.4g}")
    if trainer.args.push_to_hub:
        trainer.push_to_hub()


def card_facts(recipe: Kosmos2Recipe, config, rows: int):
    from promvil_hf.training.adapter_card import CardFacts

    hub_data = [recipe.data.partition(":")[0]] if recipe.data.count("/") == 1 and not Path(recipe.data).exists() else []
    own = ("curriculum", "learning_rate", "num_train_epochs", "per_device_train_batch_size", "gradient_accumulation_steps",
           "warmup_steps", "seed", "supervise", "supervise_close", "supervise_end", "level_weights", "train_evidence",
           "bf16", "world_size")  # fmt: skip
    return CardFacts(
        base_model=recipe.model,
        title=f"PromViL on Kosmos-2 ({recipe_name(recipe)})",
        about="A LoRA adapter that grounds nested phrases level by level, trained with promvil_hf after PromViL "
        "(arXiv 2412.08125). Boxes are pairs of cells of a 32x32 grid over the whole picture.",
        data=f"{rows:,} rows of `{recipe.data}`, split `{recipe.data_split}`.",
        datasets=hub_data,
        licence=recipe.licence,
        licence_note="Kosmos-2's weights are MIT; Visual Genome's annotations are CC BY 4.0, and its photographs belong to "
        "their authors.",
        settings={**asdict(recipe), **{name: getattr(config, name) for name in own}},
    )


def recipe_name(recipe: Kosmos2Recipe) -> str:
    return f"{recipe.quantize + ' ' if recipe.quantize else ''}LoRA {recipe.lora_scope}"


def _resume(asked: str | None):
    return {None: None, "true": True, "True": True, "false": None, "False": None}.get(asked, asked)
