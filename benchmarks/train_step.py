# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A training step on nested phrases: the repeated way, pictures encoded once, and all texts in one row.

    python -m benchmarks.train_step [--k 4] [--chains 1] [--samples 4] [--repeats 3] [--shape small|full] [--loop]
    python -m benchmarks.train_step --family llava|qwen3_vl [--k 4] [--chains 1] [--rows FILE]

For Kosmos-2 the repeated way is the reference's. For the other families `benchmarks/train_step_chat.py` says what it is, and
trl's `SFTTrainer` takes its turn on the same rows. `--rows` takes chains from a file of PromViL's rows, about noisy pictures.

`k` is the number of texts about a picture, in `chains` chains of k / chains / 2 + 1 levels each. Same model, same rows,
LoRA r = 64 on the reference's layers, forward and backward, batches made from encoded pictures each time. One thread,
CPU time, variants taking turns, medians; peak memory in a process of its own each. `floor` is the packed row without
padding, in floating-point operations, attention among them, which are counted and therefore the same everywhere. `--loop`
times the trainer's own loop and says how much of it lies outside forward and backward. `--shape full` is the published size
in bf16 with random weights (10 GB of memory, minutes); equality is a matter of fp32.
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch
import transformers

from benchmarks import timing, train_step_chat
from benchmarks.chain_steps import PROMPT, Counted, published_rows, rows
from benchmarks.timing import counted_by_kernel, cpu_seconds, in_its_own_process, parsed, parser, peak_bytes, printed
from promvil_hf.backends.kosmos2 import Kosmos2Backend
from promvil_hf.backends.lora_scopes import lora_config
from promvil_hf.toy.models import DEFAULT_SENTENCES, tiny_kosmos2
from promvil_hf.training.adapters import with_lora
from promvil_hf.training.kosmos2_chain_collator import ChainCollator
from promvil_hf.training.promvil_config import PromViLConfig
from promvil_hf.training.promvil_trainer import PromViLTrainer, target_losses
from tests.reference.chain_batches import chain_batch, joined


_TEXT = {"embed_dim": 512, "layers": 8, "ffn_dim": 2048, "attention_heads": 8}
_VISION = {"hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 12, "num_attention_heads": 6}
SHAPES = {
    "small": {"text_config": _TEXT, "vision_config": _VISION},
    "quarter": {  # a quarter of small's depth and vocabulary, and therefore its ratios, for tests
        "text_config": {**_TEXT, "layers": 2, "vocab_size": 16260},
        "vision_config": {**_VISION, "num_hidden_layers": 3},
    },
    "full": {"text_config": {}, "vision_config": {}},
}
VARIANTS = ("reference", "image_shared", "packed")


def main(argv=None):
    options = parser(
        __doc__,
        k=(4, "texts about a picture: 2, 4, 6, 8 …"),
        chains=(1, "chains that they make up"),
        samples=(4, "pictures"),
        repeats=3,
    )
    families = ("kosmos2", *train_step_chat.FAMILIES)
    options.add_argument("--family", choices=families, default="kosmos2", help="(default: %(default)s)")
    options.add_argument("--rows", type=Path, help="a file of PromViL's rows to take chains from (default: drawn ones)")
    options.add_argument("--shape", choices=SHAPES, default="small", help="(default: %(default)s; full: Kosmos-2 alone)")
    options.add_argument("--loop", action="store_true", help="also time the trainer's own loop")
    options.add_argument("--no-memory", action="store_true", help="skip the peak memory, which loads the model again")
    options.add_argument("--only", choices=VARIANTS, help=argparse.SUPPRESS)
    args = parsed(options, argv)
    sizes = args.k, args.samples, args.chains
    given_rows = published_rows(args.rows, *sizes) if args.rows else rows(*sizes)
    if args.family != "kosmos2":
        if args.shape not in train_step_chat.SIZES or args.loop:
            raise SystemExit(f"You passed --family {args.family} with --shape full or --loop: they are for Kosmos-2.")
        return printed(train_step_chat.ChatReady(args.family, given_rows, args.k, args.shape).report(args))
    ready = Ready(args.shape, *sizes, given_rows=given_rows)
    if args.only:
        print(peak_bytes(lambda: ready.step(args.only)))
        return None
    return printed(ready.report(args))


class Ready:
    """A model with LoRA and rows to train it on."""

    def __init__(
        self, shape: str = "small", k: int = 4, samples: int = 4, chains: int = 1, *, model=None, processor=None, given_rows=None
    ):
        if k < 2 or k % (2 * chains):
            raise ValueError(
                f"You passed --k {k} --chains {chains}: a chain of n levels has 2n - 2 texts, so pass an even number a chain."
            )
        self.model, self.processor = (model, processor) if model is not None else of_shape(shape)
        self.backend = Kosmos2Backend(self.model, self.processor)
        self.rows = given_rows or rows(k, samples, chains)
        self.chains = chains
        self.model.train()

    def collator(self, **options) -> ChainCollator:
        return ChainCollator(self.processor, self.backend.image_tokens, **options)

    def naive_batches(self) -> list[dict[str, torch.Tensor]]:
        return [chain_batch(row, self.processor, self.backend.image_tokens) for row in self.rows]

    def step(self, variant: str) -> float:
        """Loss of all rows by one way; gradients are left on the model."""
        self.model.zero_grad()
        if variant == "reference":
            batches = self.naive_batches()
            targets = sum((batch["labels"][:, 1:] != -100).sum() for batch in batches)
            total = 0.0
            for batch in batches:  # one sample a micro-batch, as the reference accumulates
                loss = self.model(**batch, num_items_in_batch=targets, use_cache=False).loss
                loss.backward()
                total += loss.item()
            return total
        if variant == "big_batch":
            batch = joined(self.naive_batches(), 1)
            loss = self.model(**batch, use_cache=False).loss
        elif variant == "floor":  # each picture by itself, so nothing is padded
            alone = [self.rows[start : start + self.chains] for start in range(0, len(self.rows), self.chains)]
            losses = [target_losses(self.model, self.collator()(picture_rows)) for picture_rows in alone]
            loss = torch.cat(losses).mean()
        else:
            loss = target_losses(self.model, self.collator(pack=variant == "packed")(self.rows)).mean()
        loss.backward()
        return loss.item()

    def gradients(self) -> dict[str, torch.Tensor]:
        return {name: p.grad.clone() for name, p in self.model.named_parameters() if p.grad is not None}

    def counted(self, variant: str) -> "Counted":
        """One step, with everything about it that is the same on every machine."""
        pictures = []
        handle = self.backend.base.vision_model.register_forward_pre_hook(
            lambda module, args, kwargs: pictures.append(len(kwargs["pixel_values"])), with_kwargs=True
        )
        loss, of_kernel = counted_by_kernel(lambda: self.step(variant))
        handle.remove()
        return Counted(loss, self.gradients(), of_kernel, sum(pictures))

    def report(self, args) -> dict:
        seconds = cpu_seconds({variant: lambda variant=variant: self.step(variant) for variant in VARIANTS}, args.repeats)
        targets = len(self.collator()(self.rows)["target_token"])
        found = {variant: self.counted(variant) for variant in (*VARIANTS, "floor")}
        flops = {variant: step.flops for variant, step in found.items()}
        report = {
            "naive": seconds["reference"] / args.samples,
            "ours": seconds["packed"] / args.samples,
            "floor": flops["floor"] / args.samples,
            "ratio": seconds["reference"] / seconds["packed"],
            "equal": {variant: found[variant].apart(found["reference"]) for variant in VARIANTS[1:]},
            "unit": "CPU seconds a sample; floor and flops in floating-point operations a sample",
            "seconds": {variant: taken / args.samples for variant, taken in seconds.items()},
            "speed_up": {variant: seconds["reference"] / taken for variant, taken in seconds.items()},
            "trained_tokens_per_second": {variant: targets / taken for variant, taken in seconds.items()},
            "flops": {variant: count / args.samples for variant, count in flops.items()},
            "flops_ratio": flops["reference"] / flops["packed"],
            "flops_over_floor": flops["packed"] / flops["floor"],
            "share_of_attention": {variant: step.attention / step.flops for variant, step in found.items()},
            "pictures_encoded": {variant: found[variant].pictures for variant in VARIANTS},
            "trained_tokens": targets,
            "settings": {**{key: vars(args)[key] for key in ("k", "chains", "samples", "repeats", "shape")},
                         "parameters": sum(p.numel() for p in self.model.parameters())},
        }  # fmt: skip
        if not args.no_memory:
            sizes = ("--k", args.k, "--chains", args.chains, "--samples", args.samples, "--shape", args.shape)
            report["peak_bytes"] = {
                variant: in_its_own_process("train_step", "--only", variant, *sizes) for variant in VARIANTS
            }
        if args.loop:
            report["loop"] = self.loop()
        return report

    def loop(self, steps: int = 6) -> dict:
        """The trainer's own loop from its second step on: CPU seconds, and the share outside forward and backward.

        The first step also loads what a run loads once.
        """
        inside = [0.0]
        ends: list[tuple[float, float]] = []

        class Clock(transformers.TrainerCallback):
            def on_step_end(self, *args, **kwargs):
                ends.append((time.process_time(), inside[0]))

        class Timed(PromViLTrainer):
            def training_step(self, *args, **kwargs):
                begin = time.process_time()
                try:
                    return super().training_step(*args, **kwargs)
                finally:
                    inside[0] += time.process_time() - begin

        with tempfile.TemporaryDirectory() as folder:
            config = PromViLConfig(folder, max_steps=steps, save_strategy="no", use_cpu=True, disable_tqdm=True)
            options = {"processing_class": self.processor, "train_dataset": self.rows, "callbacks": [Clock()]}
            Timed(self.model, config, **options).train()
        total, within = (last - first for first, last in zip(ends[0], ends[-1], strict=True))
        return {"seconds": total, "steps": steps - 1, "share_outside": 1 - within / total}


def of_shape(shape: str):
    """A Kosmos-2 with LoRA and random weights; its vocabulary is as large as the published one."""
    config = transformers.Kosmos2Config(**SHAPES[shape])
    text = config.text_config
    text.dropout = text.attention_dropout = text.activation_dropout = 0.0
    dtype = torch.bfloat16 if shape == "full" else torch.float32
    torch.manual_seed(0)
    with timing.default_dtype(dtype):
        plain = transformers.Kosmos2ForConditionalGeneration(config)
        model = with_lora(plain, lora_config("reference", dropout=0.0))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:  # zero at first, which would hide half of the gradients
            torch.nn.init.normal_(parameter, std=0.02)
    tiny = tiny_kosmos2(image_size=224, sentences=[*DEFAULT_SENTENCES, PROMPT])
    return model, tiny.processor


if __name__ == "__main__":
    main()
