# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Fine-tune a model whose image tokens are patches with FiVL's joint loss: answers, and patches that predict key words.

    accelerate launch recipes/train_fivl.py --config recipes/llava/lora.yaml --data fivl --image_root images
    promvil recipe run llava/smoke
    promvil recipe run llava/smoke --sweep vision_loss_weight=0,0.1,0.3 mask_noise=perfect,random

Every option can stand in the YAML file; the command line wins. Besides those below, all options of
`transformers.TrainingArguments` hold (learning_rate, eval_strategy, report_to, push_to_hub …).

Floor 5.
"""

import itertools
import json
import re
import sys
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

from promvil_hf.backends.families import LANGUAGE_LAYERS, PROJECTORS
from promvil_hf.backends.loading import QUANTIZATIONS
from promvil_hf.fivl.mask_noise import KINDS, MaskNoise, NoisyRows


TOY = "toy"
TUNED = ("lora", "full")


@dataclass
class FiVLRecipe:
    """Which model, what of it is trained, which rows, how good their masks."""

    model: str = field(
        default="llava-hf/llava-1.5-7b-hf",
        metadata={"help": "Hub id or folder of a model with patches as image tokens; `toy` makes a tiny random LLaVA."},
    )
    revision: str | None = field(default=None, metadata={"help": "Of the model."})
    dtype: str = field(default="float32", metadata={"help": "Of the weights: float32, bfloat16, float16, auto."})
    attn_implementation: str | None = field(default=None, metadata={"help": "sdpa, eager, flash_attention_2 …"})
    quantize: str | None = field(
        default=None, metadata={"help": f"lora: load the frozen weights in {' or '.join(QUANTIZATIONS)} (QLoRA)."}
    )
    pad_images: bool = field(
        default=False,
        metadata={"help": "LLaVA: pad pictures to a square as the original training code, in place of cropping."},
    )
    tune: str = field(
        default="lora",
        metadata={"help": "lora: adapters in the language model, and the projector; full: both whole.", "choices": TUNED},
    )
    tune_vision: bool = field(default=False, metadata={"help": "full: also train the vision tower (reference: frozen)."})
    lora_r: int = field(default=128, metadata={"help": "Rank (LLaVA's own LoRA recipe: 128)."})
    lora_alpha: float = field(default=256.0, metadata={"help": "Scaling (LLaVA: 256)."})
    lora_dropout: float = field(default=0.05, metadata={"help": "Dropout before the adapter (LLaVA: 0.05)."})
    lora_targets: str = field(
        default=LANGUAGE_LAYERS, metadata={"help": "Regular expression of the adapted layers' names."}
    )
    data: str = field(
        default="promvil/fivl-instruct:instruct",
        metadata={"help": "Rows: what `promvil build fivl` wrote, a .jsonl file, a Hub id (with :configuration), or toy:200."},
    )
    data_split: str = field(default="train", metadata={"help": "Split to train on."})
    eval_data: str | None = field(default=None, metadata={"help": "Rows to evaluate on; their masks are never spoilt."})
    eval_split: str | None = field(default=None, metadata={"help": "Split to evaluate on, of `data` unless eval_data is given."})
    image_root: str = field(default="", metadata={"help": "Folder that relative image names start from."})
    max_samples: int | None = field(default=None, metadata={"help": "Train on at most so many rows, drawn at random."})
    fraction: float | None = field(default=None, metadata={"help": "Train on this share of the rows, drawn at random."})
    max_eval_samples: int | None = field(default=None, metadata={"help": "Evaluate on at most so many rows."})
    mask_noise: str = field(
        default="perfect", metadata={"help": "Spoil the training masks: " + ", ".join(KINDS) + ".", "choices": list(KINDS)}
    )
    mask_noise_level: float | None = field(default=None, metadata={"help": "How much; by default the usual of that noise."})
    sweep: list[str] | None = field(
        default=None,
        metadata={"help": "Options with several values, `vision_loss_weight=0,0.1 mask_noise=perfect,random`: one run each."},
    )
    licence: str = field(default="other", metadata={"help": "Of the adapter, for its card."})
    show_labels: int = field(
        default=0, metadata={"help": "Print what is trained in so many rows, answers and patches as words, and stop."}
    )

    def __post_init__(self):
        for name, known in (("tune", TUNED), ("quantize", (None, *QUANTIZATIONS))):
            if getattr(self, name) not in known:
                told = ", ".join(str(own) for own in known if own)
                raise ValueError(f"You passed {name}={getattr(self, name)!r}: it is one of {told}.")
        if self.dtype not in ("float32", "bfloat16", "float16", "auto"):
            raise ValueError(f"You passed dtype={self.dtype!r}: it is float32, bfloat16, float16 or auto.")
        if self.quantize and self.tune == "full":
            raise ValueError("You passed quantize with tune=full: rounded weights cannot be trained. Pass tune=lora.")
        MaskNoise(self.mask_noise, self.mask_noise_level)


def main(argv=None):
    from promvil_hf.training.recipes import run_as_script

    run_as_script(train, argv)


def train(argv=None):
    """Parse, train, save, evaluate; gives the trainer, or a sweep's table."""
    from promvil_hf.training.fivl_config import FiVLConfig
    from promvil_hf.training.recipes import parse

    recipe, config = parse((FiVLRecipe, FiVLConfig), argv, __doc__.partition("\n\nFloor")[0])
    return sweep(recipe, config) if recipe.sweep else train_once(recipe, config)


def train_once(recipe: FiVLRecipe, config):
    """One run: gives the trainer."""
    if not sys.stderr.isatty():
        config.disable_tqdm = True  # bars are for people
    from promvil_hf.training.recipes import say

    trainer = make_trainer(recipe, config)
    say(f"{config.world_size} process{'es' * (config.world_size > 1)} on {config.device.type}, {told_rows(trainer)}")
    say(f"{recipe.tune} trains {trained_parts(trainer.model)}")
    if recipe.show_labels:
        rows = [trainer.train_dataset[number] for number in range(min(recipe.show_labels, len(trainer.train_dataset)))]
        say("\n\n".join(shown_labels(trainer.data_collator, rows)))
        return trainer
    resume = {None: None, "true": True, "True": True, "false": None, "False": None}
    asked = config.resume_from_checkpoint
    trainer.train(resume_from_checkpoint=resume.get(asked, asked))
    finish(trainer, recipe, say)
    return trainer


def make_trainer(recipe: FiVLRecipe, config):
    """Model, rows and trainer of a recipe."""
    from promvil_hf.training.fivl_trainer import FiVLTrainer
    from promvil_hf.training.recipes import subset

    rows = subset(read_rows(recipe.data, recipe.data_split), recipe.max_samples, recipe.fraction, config.seed)
    if recipe.mask_noise != "perfect":
        rows = NoisyRows(rows, MaskNoise(recipe.mask_noise, recipe.mask_noise_level, config.seed))
    evaluated = None
    if recipe.eval_data or recipe.eval_split:
        evaluated = read_rows(recipe.eval_data or recipe.data, recipe.eval_split or "validation")
        evaluated = subset(evaluated, recipe.max_eval_samples, None, config.seed)
    model, processor = load_base(recipe)
    trainer = FiVLTrainer(
        model,
        config,
        processing_class=processor,
        train_dataset=rows,
        eval_dataset=evaluated,
        peft_config=lora(recipe, model) if recipe.tune == "lora" else None,
        image_root=recipe.image_root,
    )
    if recipe.tune == "lora":
        trainer.card = card_facts(recipe, config, len(rows))
    return trainer


def read_rows(source: str, split: str):
    """Rows of FiVL-Instruct: drawn scenes, a file, a built folder or a data set."""
    from promvil_hf.training.recipes import read_source

    path = Path(source.partition(":")[0])
    if path.suffix == ".jsonl":
        from promvil_hf.fivl.row_files import read_fivl_rows

        return [row.to_dict() for row in read_fivl_rows(path)]
    if (path / "work").is_dir():
        from promvil_hf.fivl.fivl_publish import read_rows as read_built

        return [row.to_dict() for row in read_built(path, source.partition(":")[2] or None)]
    return read_source(source, split, toy_rows)


def toy_rows(count: int, seed: int, image_size: tuple[int, int] = (112, 112)):
    """Conversations about `count` drawn scenes, with the exact masks of what they name."""
    from promvil_hf.toy.questions import conversation
    from promvil_hf.toy.world import WorldConfig, scenes

    world = WorldConfig(
        image_size=image_size,
        objects=(2, 3),
        levels=1,
        distractors=0,
        shapes=("circle", "star", "square"),
        colors=("red", "blue", "green"),
        textures=("plain",),
        object_scale=1.5,
    )
    for scene in scenes(world, count, seed):
        talk = conversation(scene)
        yield {
            "row_id": f"toy-{seed}-{scene.image_id}",
            "image": scene.image(),
            "turns": [{"question": question, "answer": answer} for question, answer in talk.turns],
            "key_expressions": [key.located(scene).to_dict() for key in talk.keys],
        }


def load_base(recipe: FiVLRecipe):
    """Model and processor, frozen where they are not to be trained."""
    if recipe.model == TOY:
        model, processor = toy_base()
    else:
        import transformers

        from promvil_hf.backends.loading import load
        from promvil_hf.training.fivl_collator import check_family

        check_family(transformers.AutoConfig.from_pretrained(recipe.model, revision=recipe.revision))
        backend = load(
            recipe.model,
            dtype=recipe.dtype,
            quantize=recipe.quantize,
            revision=recipe.revision,
        )
        model, processor = backend.model, backend.processor
        if recipe.attn_implementation:
            model.set_attn_implementation(recipe.attn_implementation)
    if recipe.pad_images:
        processor.image_processor = padded(processor.image_processor)
    if recipe.tune == "full" and not recipe.tune_vision:
        for name, parameter in model.named_parameters():
            if part_of(name) == "vision":
                parameter.requires_grad_(False)
    return model, processor


def toy_base():
    """A small random LLaVA whose words are those of drawn scenes."""
    import torch

    from promvil_hf.toy.models import tiny_llava

    torch.set_num_threads(1)  # threads cost more than matrices of this size bring
    sentences = [turn[side] for row in toy_rows(60, 0) for turn in row["turns"] for side in ("question", "answer")]
    tiny = tiny_llava(sentences=sentences, width=64, layers=2, image_size=56, patch_size=7, fit="stretch")
    return tiny.model, tiny.processor


def padded(image_processor):
    """LLaVA's image processor with the picture on a square of its own mean colour, as the original training code has it."""
    import transformers

    settings = image_processor.to_dict()
    if "crop_size" not in settings or not hasattr(transformers, "LlavaImageProcessor"):
        raise ValueError(
            f"You passed pad_images with a {type(image_processor).__name__}: it is for LLaVA-1.5, whose published processor "
            "crops. Leave it out."
        )
    settings = {name: own for name, own in settings.items() if name not in ("image_processor_type", "do_pad")}
    return transformers.LlavaImageProcessor(**settings, do_pad=True)


def lora(recipe: FiVLRecipe, model):
    """LoRA in the language model; the projector, where the family has one, is trained whole, or by LoRA if it is rounded."""
    from peft import LoraConfig
    from torch import nn

    targets, whole = recipe.lora_targets, []
    projector = [name for name, _ in model.named_modules() if name.rpartition(".")[2] in PROJECTORS]
    if getattr(model, "is_quantized", False):
        inside = [f"{name}.{own}" for name in projector for own, module in model.get_submodule(name).named_modules()
                  if isinstance(module, nn.Linear)]  # fmt: skip
        targets = "|".join([f"({targets})", *(re.escape(name) for name in inside)])
    else:
        whole = sorted({name.rpartition(".")[2] for name in projector})
    return LoraConfig(
        r=recipe.lora_r,
        lora_alpha=recipe.lora_alpha,
        lora_dropout=recipe.lora_dropout,
        target_modules=targets,
        modules_to_save=whole or None,
        revision=recipe.revision,
    )


def part_of(name: str) -> str:
    """Which part of a model a parameter belongs to, by its name."""
    if any(projector in name for projector in PROJECTORS):
        return "projector"
    return "vision" if "vision" in name or ".visual." in name else "language"


def trained_parts(model) -> str:
    """Trained and all parameters, in words."""
    counts: dict[str, int] = {}
    total = 0
    for name, parameter in model.named_parameters():
        size = parameter.quant_state.shape.numel() if hasattr(parameter, "quant_state") else parameter.numel()
        total += size
        if parameter.requires_grad:
            counts[part_of(name)] = counts.get(part_of(name), 0) + size
    trained = sum(counts.values())
    told = ", ".join(f"{part} {count:,}" for part, count in sorted(counts.items()))
    return f"{trained:,} of {total:,} parameters ({trained / total:.2%}): {told}"


def told_rows(trainer) -> str:
    evaluated = trainer.eval_dataset
    return f"{len(trainer.train_dataset):,} rows" + (f", {len(evaluated):,} to evaluate on" if evaluated else "")


def shown_labels(collator, rows):
    """For each row what is trained: its answers, and for each word the number of its patches."""
    from collections import Counter

    from promvil_hf.training.losses import UNLABELLED

    tokenizer = collator.backend.processor.tokenizer
    for row in rows:
        batch = collator([row])
        labels, patches = batch["labels"][0], batch["vision_labels"][0].reshape(len(batch["labels"][0]), -1)
        words = Counter(tuple(own[own != UNLABELLED].tolist()) for own in patches if own[0] != UNLABELLED)
        told = ", ".join(f"{tokenizer.decode(word).strip()!r} {count}" for word, count in words.most_common())
        yield (
            f"row {row.get('row_id')}: {len(labels)} tokens\n"
            f"  trained text:    {tokenizer.decode(labels[labels != UNLABELLED])!r}\n"
            f"  trained patches: {told or 'none'}"
        )


def finish(trainer, recipe: FiVLRecipe, say):
    """Save, read an adapter back, evaluate, push."""
    from promvil_hf.training.checkpoints import check_adapter

    trainer.save_model()
    trainer.save_state()
    metrics = trainer.evaluate() if trainer.eval_dataset is not None else {}
    if trainer.is_world_process_zero():
        logs = trainer.state.log_history
        for name in ("loss", "lm_loss", "vm_loss"):
            values = [entry[name] for entry in logs if name in entry]
            if values:
                say(f"  {name:<8} {values[0]:.3f} -> {values[-1]:.3f}")
        for name in ("eval_loss", "eval_lm_loss", "eval_vm_loss", "eval_vm_accuracy", "eval_patch_iou"):
            if name in metrics:
                say(f"  {name}: {metrics[name]:.4g}")
        if recipe.tune == "lora":
            tensors = check_adapter(trainer.model, trainer.args.output_dir, same_values=True)
            trainer.create_model_card()
            say(f"  {tensors} adapter tensors in {trainer.args.output_dir} read back equal")
        unused = getattr(trainer.data_collator, "unused", None)
        if unused:
            say("  key expressions that gave no label: " + ", ".join(f"{k} {n:,}" for k, n in unused.most_common()))
    if trainer.args.push_to_hub:
        trainer.push_to_hub()


def card_facts(recipe: FiVLRecipe, config, rows: int):
    """What the adapter's card says."""
    from promvil_hf.training.adapter_card import CardFacts

    hub_data = [recipe.data.partition(":")[0]] if recipe.data.count("/") == 1 and not Path(recipe.data).exists() else []
    own = ("vision_loss_weight", "max_mask_fraction", "min_patch_coverage", "overlap", "token", "noun", "max_length",
           "curriculum", "learning_rate", "projector_learning_rate", "num_train_epochs", "per_device_train_batch_size",
           "gradient_accumulation_steps", "warmup_steps", "seed", "bf16", "world_size")  # fmt: skip
    return CardFacts(
        base_model=recipe.model,
        title=f"FiVL on {recipe.model} (λ = {config.vision_loss_weight:g})",
        about="A LoRA adapter trained with promvil_hf after FiVL (arXiv 2412.14672): while the model learns to answer, each "
        "patch that a key expression's mask touches learns to predict a word of it.",
        data=f"{rows:,} rows of `{recipe.data}`, split `{recipe.data_split}`; masks: {recipe.mask_noise}.",
        datasets=hub_data,
        licence=recipe.licence,
        licence_note="The licence of the base model holds for what is made from it; FiVL-Instruct is CC BY 4.0.",
        settings={**asdict(recipe), **{name: getattr(config, name) for name in own}},
        tags=("fivl", "vision-modeling", "visual-question-answering"),
    )


def sweep(recipe: FiVLRecipe, config):
    """One run for each combination of the values, each in a folder of its own, and a table of their last figures."""
    from promvil_hf.training.recipes import say

    varied = [parsed(entry, recipe, config) for entry in recipe.sweep]
    path = Path(config.output_dir, "sweep.json")
    table: list[dict] = []
    for chosen in itertools.product(*([(name, value) for value in values] for name, values in varied)):
        settings = dict(chosen)
        name = "-".join(f"{key}={value}" for key, value in settings.items())
        say(f"\n{name}")
        trainer = train_once(
            replace(recipe, sweep=None, **{key: own for key, own in settings.items() if hasattr(recipe, key)}),
            replaced(config, settings, str(Path(config.output_dir, name))),
        )
        last = {key: value for entry in trainer.state.log_history for key, value in entry.items()}
        table.append(settings | {key: last[key] for key in sorted(last) if key.startswith("eval_") or key.endswith("m_loss")})
        if trainer.is_world_process_zero():
            path.write_text(json.dumps(table, indent=1), encoding="utf-8")
    shown = [*(name for name, _ in varied), "eval_lm_loss", "eval_vm_loss", "eval_patch_iou"]
    say("\n" + "  ".join(f"{key:>18}" for key in shown))
    for row in table:
        cells = (row.get(key, "-") for key in shown)
        say("  ".join(f"{cell:>18.4g}" if isinstance(cell, float) else f"{cell!s:>18}" for cell in cells))
    say(f"Written to {path}")
    return table


def parsed(entry: str, recipe: FiVLRecipe, config) -> tuple[str, list]:
    """`name=a,b` -> the option's name and its values, of the option's type."""
    name, equals, values = entry.partition("=")
    owner = next((own for own in (recipe, config) if name in {f.name for f in fields(own) if f.init}), None)
    if not equals or owner is None or name in ("sweep", "output_dir"):
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


def replaced(config, settings: dict, output_dir: str):
    """The same configuration with some values changed. Rebuilt from its fields, because building derives others."""
    own = {f.name: getattr(config, f.name) for f in fields(config) if f.init}
    own |= {key: value for key, value in settings.items() if key in own}
    return type(config)(**own | {"output_dir": output_dir})
