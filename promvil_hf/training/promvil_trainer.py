# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""PromViL's training of Kosmos-2: chains of phrases, level by level or mixed, one vision pass for each picture.

    trainer = PromViLTrainer(model, PromViLConfig("out", curriculum="levels"), processing_class=processor,
                             train_dataset=rows, peft_config=lora_config("reference"))
    trainer.train()

Rows are those of `promvil_hf.training.texts.chain_in`. Logged beside the loss: `loss_level_1`, `loss_level_2`, … and
`loss_questions`. Floor 4.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import torch
from accelerate.utils import gather_object
from transformers import set_seed

from promvil_hf.backends.base import Decoding, GroundingBackend, Request
from promvil_hf.backends.kosmos2 import Kosmos2Backend
from promvil_hf.backends.kosmos2_prefix import encode_images, tree_mask
from promvil_hf.backends.stops import complete_object
from promvil_hf.metrics.grounding import grounding_table
from promvil_hf.phrases import GroundedPhrase
from promvil_hf.training.adapters import adapted, with_lora
from promvil_hf.training.chain_collator import ChainCollator
from promvil_hf.training.curriculum import NO_LEVEL, CurriculumSampler, CutRows, InOrder
from promvil_hf.training.promvil_config import PromViLConfig
from promvil_hf.training.texts import Texts, chain_in, row_levels
from promvil_hf.training.window_trainer import WindowTrainer


DEEPEST = 8  # what is deeper is logged with it


def target_losses(model, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """(T,) cross entropy of each target of a `ChainCollator` batch. `model` is a mended Kosmos-2, wrapped or not.

    The head runs on the predicting positions only. Where a picture has one row, the wrapped forward sees the pixels; where
    it has several, its embedding is computed before and shared.
    """
    inputs = {"input_ids": batch["input_ids"], "position_ids": batch["position_ids"]}
    base = _kosmos2(model)
    branch, row, place = batch["branch"], batch["target_row"], batch["target_place"]
    if len(branch) == len(batch["pixel_values"]):
        inputs["pixel_values"] = batch["pixel_values"]
    else:
        inputs["image_embeds"] = encode_images(base, batch["pixel_values"]).index_select(0, batch["image_of_row"])
    keep = torch.zeros(branch.shape, dtype=torch.bool, device=branch.device)
    keep[row, place] = True
    logits = model(
        **inputs,
        attention_mask=tree_mask(branch, branch, base.dtype),
        image_embeds_position_mask=batch["image_slots"],
        logits_to_keep=keep,
        use_cache=False,
    ).logits.float()  # (predicting positions, V)
    if not len(row):
        return logits.sum(-1)  # no lines, but every rank has gone through the model
    line = keep.flatten().cumsum(0) - 1  # the last shared token predicts the first of every branch
    line = line[row * branch.shape[1] + place]
    return logits.logsumexp(-1)[line] - logits[line, batch["target_token"]]


def _kosmos2(model):
    """The Kosmos-2 itself inside DDP and PEFT."""
    model = getattr(model, "module", model)
    return model.get_base_model() if hasattr(model, "get_base_model") else model


class ChainRows(CutRows):
    """Training rows by cut. Pictures stay encoded until the collator opens each of them once."""

    def __init__(self, rows):
        features = getattr(rows, "features", None) or {}
        if "image" in features and hasattr(features["image"], "decode"):
            rows = rows.cast_column("image", replace(features["image"], decode=False))
        super().__init__(rows)

    @cached_property
    def levels(self) -> list[tuple[int, ...]]:
        bare = self.rows.remove_columns("image") if "image" in getattr(self.rows, "column_names", ()) else self.rows
        return [row_levels(row) for row in bare]

    @property
    def chains(self) -> list[int]:
        """Numbers of the rows that are chains."""
        return [number for number, levels in enumerate(self.levels) if NO_LEVEL not in levels]


def _by_cut(rows):
    """`None` and names of an evaluation set stay what they are; a mapping of sets becomes one by cut."""
    if isinstance(rows, dict):
        return {name: _by_cut(part) for name, part in rows.items()}
    return rows if rows is None or isinstance(rows, (CutRows, str)) else ChainRows(rows)


def ground(backend: GroundingBackend, rows: Sequence[Mapping], collator: ChainCollator) -> list[tuple]:
    """(answered boxes, gold boxes, level) of each step with gold boxes: level by level, all rows at a time.

    Plain generation: what a step leans on is what the model itself answered below, left out where it answered nothing.
    """
    chains = [chain_in(row) for row in rows]
    images = [collator.open_image(row) for row in rows]
    stop = complete_object(backend.tokenizer)
    answered: dict[tuple[int, int], tuple] = {}
    for level in sorted({level for chain in chains for level in chain.levels}):
        steps = [
            (row, step)
            for row, chain in enumerate(chains)
            for step, own in enumerate(chain.levels)
            if own == level
        ]
        requests = []
        for row, number in steps:
            step = chains[row].steps[number]
            known = [
                GroundedPhrase(mention, answered[row, anchor])
                for anchor, mention in zip(step.anchors, step.mentions, strict=True)
                if answered[row, anchor] and collator.texts.evidence
            ]
            requests.append(Request(backend.dialect.prompt(step.target.text, known, level=level), images[row]))
        for place, answer in zip(steps, backend.generate(requests, Decoding(64, stop=stop)), strict=True):
            answered[place] = backend.dialect.parse(answer.text).boxes
    return [
        ([box.xyxy for box in answered[row, number]], [box.xyxy for box in step.target.boxes], level)
        for row, chain in enumerate(chains)
        for number, (step, level) in enumerate(zip(chain.steps, chain.levels, strict=True))
        if step.target.boxes
    ]


class PromViLTrainer(WindowTrainer):
    """See the module. `model` is a Kosmos-2, with an adapter or not; `peft_config` puts one on it."""

    def __init__(
        self,
        model,
        args: PromViLConfig,
        *,
        processing_class,
        train_dataset=None,
        eval_dataset=None,
        data_collator=None,
        peft_config=None,
        image_root="",
        **kwargs,
    ):
        if peft_config is not None:
            set_seed(args.seed)  # the parent does it too late for the adapter's first weights
            model = with_lora(model, peft_config)
        self.backend: GroundingBackend = Kosmos2Backend(model, processing_class)
        if data_collator is None:
            # Longer rows would make Kosmos-2 grow its buffer of positions, on each rank to another size, and DDP stops there.
            longest = min(args.max_tokens, model.config.text_config.max_position_embeddings)
            data_collator = ChainCollator(
                processing_class,
                self.backend.image_tokens,
                Texts(span=args.supervise, close=args.supervise_close, evidence=args.train_evidence),
                end=args.supervise_end,
                level_weights=args.level_weights or (),
                max_tokens=longest,
                max_row_tokens=longest,
                pack=args.pack,
                image_root=image_root,
            )
        super().__init__(
            model,
            args,
            data_collator=data_collator,
            train_dataset=_by_cut(train_dataset),
            eval_dataset=_by_cut(eval_dataset),
            processing_class=processing_class,
            **kwargs,
        )
        self.refused = torch.tensor(0)
        if args.eval_generate and self.is_fsdp_enabled:
            raise ValueError(
                "You passed eval_generate with FSDP, whose shards cannot generate: leave it 0 and ground with the saved adapter."
            )

    # Order

    def _get_train_sampler(self, train_dataset=None):
        rows = self.train_dataset if train_dataset is None else train_dataset
        schedule = self.args.schedule()
        if schedule is None:
            return super()._get_train_sampler(train_dataset)
        return CurriculumSampler(
            rows.levels,
            schedule,
            self.args.data_seed if self.args.data_seed is not None else self.args.seed,
            current_epoch=lambda: int((self.state.epoch or 0) + 1e-6),
            multiple_of=self.args.per_device_train_batch_size * self.args.world_size,
        )

    def _get_eval_sampler(self, eval_dataset):
        return InOrder(len(eval_dataset), self.args.per_device_eval_batch_size * self.args.world_size)

    # Loss

    def count(self, batch):
        return {"loss": batch["target_weight"].sum()}

    def terms(self, model, inputs):
        losses = target_losses(model, inputs)
        # Without asking the device which levels there are, which would make the host wait for it.
        levels = inputs["target_level"].clamp(max=DEEPEST)
        sums = losses.new_zeros(DEEPEST + 1).index_add(0, levels, losses.detach())
        counts = losses.new_zeros(DEEPEST + 1).index_add(0, levels, torch.ones_like(losses))
        for level in range(DEEPEST + 1):
            self.note("loss_questions" if level == NO_LEVEL else f"loss_level_{level}", sums[level], counts[level])
        if self.model.training:
            self.refused = self.refused + inputs["refused"]
        return {"loss": (losses * inputs["target_weight"]).sum()}

    def trained(self):
        return adapted(self.model)

    def log(self, logs, start_time=None):
        if "loss" in logs and (refused := int(self.accelerator.reduce(self.refused.to(self.args.device), "sum"))):
            logs["refused_texts"] = refused  # on all ranks, since this process began
        super().log(logs, start_time)

    # Evaluation by generation

    def evaluate(self, eval_dataset=None, *args, **kwargs):
        return super().evaluate(_by_cut(eval_dataset), *args, **kwargs)

    def evaluation_loop(self, dataloader, *args, metric_key_prefix="eval", **kwargs):
        output = super().evaluation_loop(dataloader, *args, metric_key_prefix=metric_key_prefix, **kwargs)
        if self.args.eval_generate:
            chains = dataloader.dataset.chains
            if len(chains) > self.args.eval_generate:
                chains = sorted(random.Random(0).sample(chains, self.args.eval_generate))
            scores = self.grounding([dataloader.dataset.rows[number] for number in chains])
            output.metrics.update({f"{metric_key_prefix}_{name}": value for name, value in scores.items()})
        return output

    def grounding(self, rows: Sequence[Mapping]) -> dict[str, float]:
        """Accuracy by level: each step is asked for with the boxes that were answered for the steps below it.

        Every rank takes its share of the chains; all of them get the result.
        """
        rank, ranks = self.args.process_index, self.args.world_size
        found = gather_object(ground(self.backend, rows[rank::ranks], self.data_collator))
        answers, gold, levels = zip(*found, strict=True)
        table = {"all": grounding_table(answers, gold, None)[None], **grounding_table(answers, gold, levels)}
        scores = {"accuracy": table["all"].accuracy, "parse_rate": table["all"].parse_rate}
        for level in sorted(set(levels)):
            scores[f"accuracy_level_{level}"] = table[level].accuracy
        return scores
