# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A training step of a patch-token family on nested phrases: `python -m benchmarks.train_step --family ...`.

The repeated way is the model's own forward on a row a text with a picture each, a picture's texts at a time; trl's `SFTTrainer`
takes the same rows as prompts and completions, the same number of them at a time. Same model, LoRA r = 64 on the language
model's layers.
"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.chain_steps import Counted
from benchmarks.timing import counted_by_kernel, seconds_by_turn, times_as_fast
from promvil_hf.backends.lora_scopes import lora_config
from promvil_hf.backends.patch_tokens import PatchTokenBackend
from promvil_hf.images import read_image
from promvil_hf.toy.models import DEFAULT_SENTENCES, tiny_llava, tiny_qwen3_vl
from promvil_hf.toy.models.chat_templates import LLAVA_CHAT, QWEN_CHAT
from promvil_hf.toy.models.parts import TinyModel
from promvil_hf.training.adapters import with_lora
from promvil_hf.training.chain_losses import chain_losses
from promvil_hf.training.losses import UNLABELLED
from promvil_hf.training.patch_chain_collator import PatchChainCollator


# Widths that a CPU can train; numbers of image tokens are those of the published models: 576, and one for 32 x 32 pixels.
SIZES = {
    "small": {"width": 512, "layers": 6, "heads": 8, "vision_width": 384, "vision_layers": 4},
    "quarter": {"width": 128, "layers": 2, "heads": 4, "vision_width": 64, "vision_layers": 1},
}


@dataclass(frozen=True, slots=True)
class Published:
    """What the configuration of a published checkpoint has for language model and tower; `tied`: the head is the embeddings."""

    text: Mapping[str, int]
    vision: Mapping[str, Any]
    tied: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """A tiny model, its sizes, and its chat template as trl needs it: the beginning of a text is in it, and nothing follows the
    last answer, because trl adds no beginning and trains all that stands behind a prompt. `published` is for the real size."""

    make: Callable[..., TinyModel]
    sizes: Mapping[str, int]
    template: str
    published: Published


_TOWER = {"hidden_size": 1_024, "intermediate_size": 4_096}
_LLAVA_7B = Published(
    {"hidden_size": 4_096, "intermediate_size": 11_008, "num_attention_heads": 32, "num_key_value_heads": 32, "head_dim": 128,
     "vocab_size": 32_064},
    _TOWER | {"num_attention_heads": 16, "num_hidden_layers": 24},
    tied=False,
)  # fmt: skip
_QWEN3_VL_4B = Published(
    {"hidden_size": 2_560, "intermediate_size": 9_728, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128,
     "vocab_size": 151_936},
    _TOWER | {"num_heads": 16, "depth": 24, "out_hidden_size": 2_560, "deepstack_visual_indexes": [5, 11, 17],
              "num_position_embeddings": 2_304},
    tied=True,
)  # fmt: skip
_SHAPES = (
    Shape(tiny_llava, {"image_size": 336, "patch_size": 14}, "<s>" + LLAVA_CHAT, _LLAVA_7B),
    Shape(
        tiny_qwen3_vl,
        {"patch_size": 16, "min_pixels": 256 * 256, "max_pixels": 4096 * 4096},
        QWEN_CHAT.replace(
            "{{ '\n' }}{% endfor %}", "{% if not loop.last or add_generation_prompt %}{{ '\n' }}{% endif %}{% endfor %}"
        ),
        _QWEN3_VL_4B,
    ),
)
FAMILIES = {shape.make.__name__.removeprefix("tiny_"): shape for shape in _SHAPES}
VARIANTS = ("repeated", "image_shared", "packed", "trl")
SENTENCES = (
    *DEFAULT_SENTENCES,
    "Please provide the bounding box coordinate of the region this sentence describes:",
    *["it stands at [0.1, 0.2], [0.3, 0.4]"] * 20,  # " [" is one token, as in the published tokenizers
    "We can see in the image: . USER: ASSISTANT: above the below the next to the inside the",
    'Locate every instance that belongs to the following categories: "". Report bbox coordinates in JSON format.',
)


@dataclass
class ChatReady:
    """A model with LoRA and rows to train it on, k texts a picture."""

    family: str
    rows: list[dict]
    k: int
    shape: str = "small"
    enlarged: Callable[[TinyModel], Any] | None = None  # makes another model of the same family and processor

    def __post_init__(self):
        family = FAMILIES[self.family]
        tiny = family.make(**SIZES[self.shape], **family.sizes, context=8192, vocabulary_size=4096, sentences=SENTENCES)
        self.processor = tiny.processor
        self.processor.chat_template = family.template
        torch.manual_seed(0)
        plain = tiny.model if self.enlarged is None else self.enlarged(tiny)
        self.model = with_lora(plain, lora_config("text", dropout=0.0)).to(plain.device)
        for name, parameter in self.model.named_parameters():
            if "lora_B" in name:  # zero at first, which would hide half of the gradients
                torch.nn.init.normal_(parameter, std=0.02)
        self.backend = PatchTokenBackend(self.model, self.processor)
        self.model.train()
        self.texts = self._texts()
        self._trl: Any = None

    def collator(self, **options) -> PatchChainCollator:
        return PatchChainCollator(self.backend, max_tokens=8192, **options)

    def _texts(self) -> list[tuple[bytes, str, str]]:
        """(picture, question, answer) of each text, in order."""
        collate = self.collator()
        return [
            (row["image"], *turn)
            for row in self.rows
            for text in collate.texts.of_row(row, collate.open_image(row).size)
            for turn in text.turns
        ]

    def repeated_batches(self) -> list[dict[str, torch.Tensor]]:
        chat = self.collator().chat
        found = []
        for start in range(0, len(self.texts), self.k):
            texts = self.texts[start : start + self.k]
            talks = [chat.filled([(question, answer)]) for _, question, answer in texts]
            pictures = [read_image(file) for file, *_ in texts]
            batch, offsets, shifts = chat.encoded(talks, pictures)
            trained = [chat.trained(*row) for row in zip(talks, offsets, shifts, strict=True)]
            labelled = batch | {"labels": batch["input_ids"].masked_fill(~torch.tensor(trained), UNLABELLED)}
            found.append(self._placed(labelled))
        return found

    def _placed(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """The batch on the model's device."""
        return {name: value.to(self.model.device) if torch.is_tensor(value) else value for name, value in batch.items()}

    def step(self, variant: str) -> float:
        """Loss of all rows by one way; gradients are left on the model."""
        self.model.zero_grad()
        if variant == "trl":
            return self.trl_step()
        if variant == "repeated":
            batches = self.repeated_batches()
            targets = sum((batch["labels"][:, 1:] != UNLABELLED).sum() for batch in batches)
            return sum(self._backward(self.model(**batch, num_items_in_batch=targets, use_cache=False).loss) for batch in batches)
        collate = self.collator(pack=variant != "image_shared")
        if variant == "floor":  # each picture by itself, so nothing is padded
            by_picture: dict[bytes, list[dict]] = {}
            for row in self.rows:
                by_picture.setdefault(row["image"], []).append(row)
            batches = [collate(picture_rows) for picture_rows in by_picture.values()]
        else:
            batches = [collate(self.rows)]
        losses = [chain_losses(self.model, self._placed(batch)).targets for batch in batches]
        return self._backward(torch.cat(losses).mean())

    @staticmethod
    def _backward(loss: torch.Tensor) -> float:
        loss.backward()
        return loss.item()

    def trl_step(self) -> float:
        trainer = self._trl = self._trl or sft_trainer(self)
        windows = len(self.texts) // self.k
        batches, targets = trainer.get_batch_samples(iter(trainer.get_train_dataloader()), windows, trainer.args.device)
        trainer.current_gradient_accumulation_steps = windows
        return sum(trainer.training_step(self.model, batch, targets).item() for batch in batches)

    def counted(self, variant: str) -> Counted:
        """One step, with everything about it that is the same on every machine."""
        pictures: list[int] = []
        towers = ("vision_tower", "visual")
        tower = next(module for name, module in self.model.named_modules() if name.endswith(towers))

        def note(module, args, kwargs):
            grid = kwargs.get("grid_thw")
            seen = args[0] if args else kwargs.get("pixel_values")
            pictures.append(len(seen if grid is None else grid))

        handle = tower.register_forward_pre_hook(note, with_kwargs=True)
        loss, of_kernel = counted_by_kernel(lambda: self.step(variant))
        handle.remove()
        gradients = {
            name: parameter.grad.clone() for name, parameter in self.model.named_parameters() if parameter.grad is not None
        }
        return Counted(loss, gradients, of_kernel, sum(pictures))

    def report(self, args) -> dict:
        ways = {variant: lambda variant=variant: self.step(variant) for variant in VARIANTS}
        samples = len(self.texts) // self.k
        turns = seconds_by_turn(ways, args.repeats)
        seconds = {variant: median(taken) / samples for variant, taken in turns.items()}
        found = {variant: self.counted(variant) for variant in (*VARIANTS, "floor")}
        flops = {variant: step.flops / samples for variant, step in found.items()}
        ratio, speed_up = flops["repeated"] / flops["packed"], times_as_fast(turns["repeated"], turns["packed"])
        batch = self.collator()(self.rows)
        return {
            "naive": seconds["repeated"],
            "ours": seconds["packed"],
            "floor": flops["floor"],
            "ratio": speed_up,
            "flops_ratio": ratio,
            "share_of_flops_ratio": speed_up / ratio,
            "over_trl": times_as_fast(turns["trl"], turns["packed"]),
            "loss": {variant: step.loss for variant, step in found.items()},
            "equal": {variant: found[variant].apart(found["repeated"]) for variant in (*VARIANTS[1:], "floor")},
            "unit": "CPU seconds a picture; floor and flops in floating-point operations a picture",
            "seconds": seconds,
            "flops": flops,
            "flops_over_floor": flops["packed"] / flops["floor"],
            "share_of_attention": {variant: step.attention / step.flops for variant, step in found.items()},
            "pictures_encoded": {variant: step.pictures for variant, step in found.items()},
            "trained_tokens": len(batch["target_token"]),
            "image_tokens": int(self.backend.image_positions(batch)[0].sum()),
            "settings": {
                **{key: str(value) for key, value in vars(args).items() if value is not None},
                "parameters": sum(parameter.numel() for parameter in self.model.parameters()),
                "vocabulary": len(self.processor.tokenizer),
            },
        }


def sft_trainer(ready: ChatReady):
    """trl's trainer of the same model on the same texts, as it comes, without checkpointing of activations."""
    import datasets
    from trl import SFTConfig, SFTTrainer

    def as_row(text: tuple[bytes, str, str]) -> Mapping[str, Any]:
        file, question, answer = text
        return {
            "images": [{"bytes": file, "path": None}],
            "prompt": [{"role": "user", "content": question}],
            "completion": [{"role": "assistant", "content": answer}],
        }

    data = datasets.Dataset.from_list([as_row(text) for text in ready.texts])
    data = data.cast_column("images", datasets.List(datasets.Image()))
    config = SFTConfig(
        output_dir=str(Path(tempfile.gettempdir(), "train_step_of_trl")),
        per_device_train_batch_size=ready.k,
        gradient_accumulation_steps=len(ready.texts) // ready.k,
        gradient_checkpointing=False,
        train_sampling_strategy="sequential",
        max_length=None,
        bf16=False,
        use_cpu=ready.model.device.type == "cpu",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    trainer = SFTTrainer(ready.model, config, train_dataset=data, processing_class=ready.processor)
    # Qwen3-VL's forward takes no number of targets, so transformers 5.23 counts none, and the loss of a window would be the
    # mean of its batches' means. trl's own loss takes the number.
    trainer.model_accepts_loss_kwargs = True
    return trainer
