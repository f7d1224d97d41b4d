# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""PromViL's training: chains of phrases, level by level or mixed, one vision pass for each picture, with FiVL's loss or without.

    trainer = PromViLTrainer(model, PromViLConfig("out", curriculum="levels"), processing_class=processor,
                             train_dataset=rows, peft_config=lora_config("reference"))
    trainer.train()

Rows are those of `promvil_hf.training.chain_texts.chain_in`. Logged beside the loss: `loss_level_1`, `loss_level_2`, … and
`loss_questions`; with a vision loss `lm_loss`, `vm_loss` and `vm_accuracy` as well.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from accelerate.utils import gather_object

from promvil_hf.backends.base import GroundingBackend, unwrapped
from promvil_hf.backends.kosmos2 import Kosmos2Backend
from promvil_hf.backends.kosmos2_prefix import encode_images, tree_mask
from promvil_hf.backends.loading import backend_for
from promvil_hf.grounding import GroundingOptions, ProgressiveGrounder, Query
from promvil_hf.metrics.grounding import grounding_table
from promvil_hf.phrases import PhraseChain
from promvil_hf.training.chain_losses import chain_losses
from promvil_hf.training.chain_texts import Texts, chain_in, row_levels
from promvil_hf.training.curriculum import NO_LEVEL
from promvil_hf.training.kosmos2_chain_collator import ChainCollator
from promvil_hf.training.losses import shares
from promvil_hf.training.patch_chain_collator import PatchChainCollator
from promvil_hf.training.shown_batches import shown_chains, shown_chat_chains
from promvil_hf.training.window_trainer import WindowTrainer


DEEPEST = 8  # what is deeper is logged with it
MOST_TOKENS = 32_768  # of a row, where a model names no limit
NOT_FOR_KOSMOS2 = {
    "system_prompt": "Its texts have no place for it.",
    "vision_loss_weight": "It sees a picture through latent queries, so it has no patches that could predict words.",
}


def target_losses(model, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """(T,) cross entropy of each target of a `ChainCollator` batch. `model` is a mended Kosmos-2, wrapped or not.

    The head runs on the predicting positions only. Where a picture has one row, the wrapped forward sees the pixels; where
    it has several, its embedding is computed before and shared.
    """
    inputs = {"input_ids": batch["input_ids"], "position_ids": batch["position_ids"]}
    base = unwrapped(model)
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
        return logits.sum(-1)  # nothing to train here, but the model must still run, or other ranks would wait
    line = keep.flatten().cumsum(0) - 1  # the last shared token predicts the first of every branch
    line = line[row * branch.shape[1] + place]
    return logits.logsumexp(-1)[line] - logits[line, batch["target_token"]]


def ground(
    backend: GroundingBackend, rows: Sequence[Mapping], collator: ChainCollator | PatchChainCollator
) -> list[tuple]:
    """(answered boxes, gold boxes, level) of each step with gold boxes.

    As in training, the prompt of a step holds what the model answered for the phrases directly in it, or nothing if the
    collator writes no evidence.
    """
    grounder = ProgressiveGrounder(backend, GroundingOptions("direct", plural_top=True))
    chains = [chain_in(row) for row in rows]
    asked = chains if collator.texts.evidence else map(_without_evidence, chains)
    traces = grounder.ground_all(
        [Query(collator.open_image(row), chain) for row, chain in zip(rows, asked, strict=True)], progress=False
    )
    found = []
    for chain, trace in zip(chains, traces, strict=True):
        answered = [step.boxes for step in trace.steps] or [()] * len(chain.steps)  # a refused chain has no steps
        for step, boxes, level in zip(chain.steps, answered, chain.levels, strict=True):
            if step.target.boxes:
                found.append(([box.xyxy for box in boxes], [box.xyxy for box in step.target.boxes], level))
    return found


def _without_evidence(chain: PhraseChain) -> PhraseChain:
    """The same phrases at the same levels, each alone."""
    steps = [
        replace(step, anchors=(), mentions=(), own_level=level)
        for step, level in zip(chain.steps, chain.levels, strict=True)
    ]
    return replace(chain, steps=steps)


class PromViLTrainer(WindowTrainer):
    """See the module. `model` is a Kosmos-2, or of any family whose image tokens are patches."""

    levels_are_at_hand = True
    backend_for = staticmethod(backend_for)
    levels_of = staticmethod(row_levels)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.args.eval_generate and self.is_fsdp_enabled:
            raise ValueError(
                "You passed eval_generate with FSDP, whose shards cannot generate: leave it 0 and ground with the saved adapter."
            )

    def collator(self, args, image_root):
        if isinstance(self.backend, Kosmos2Backend):
            return self._kosmos2_collator(args, image_root)
        limit = getattr(self.backend.model.config.get_text_config(), "max_position_embeddings", None) or MOST_TOKENS
        return PatchChainCollator(
            self.backend,
            args.train_evidence,
            args.level_weights or (),
            max_tokens=min(args.max_length or limit, limit),
            pack=args.pack,
            rules=args.label_rules() if args.vision_loss_weight else None,
            system=args.system_prompt,
            image_root=image_root,
        )

    def _kosmos2_collator(self, args, image_root):
        for name in ("system_prompt", "vision_loss_weight"):
            if getattr(args, name):
                raise ValueError(f"You passed {name} with Kosmos-2. {NOT_FOR_KOSMOS2[name]} Leave it out.")
        # Longer rows would make Kosmos-2 grow its buffer of positions, on each rank to another size, and DDP stops there.
        limit = self.backend.model.config.text_config.max_position_embeddings
        longest = min(args.max_length or limit, limit)
        return ChainCollator(
            self.backend.processor,
            self.backend.image_tokens,
            Texts(span=args.supervise, close=args.supervise_close, evidence=args.train_evidence),
            end=args.supervise_end,
            level_weights=args.level_weights or (),
            max_tokens=longest,
            max_row_tokens=longest,
            pack=args.pack,
            image_root=image_root,
        )

    def shown(self, rows, batch):
        if isinstance(self.backend, Kosmos2Backend):
            return shown_chains(batch, self.processing_class)
        return shown_chat_chains(batch, rows, self.data_collator)

    # Loss

    def shares(self, any_patch):
        if not self.args.vision_loss_weight:
            return super().shares(any_patch)
        weights = shares(self.args.vision_loss_weight, any_patch, self.args.scale_lm_when_empty)
        return dict(zip(("lm_loss", "vm_loss"), weights, strict=True))

    def count(self, batch):
        counts = (batch["target_weight"].sum(), batch.get("patch_weight", batch["target_weight"]).sum())
        return dict(zip(self.mixture, counts))  # of the answers alone, where patches are not trained

    def terms(self, model, inputs):
        if isinstance(self.backend, Kosmos2Backend):
            losses, patches = target_losses(model, inputs), None
        else:
            found = chain_losses(model, inputs)
            losses, patches = found.targets, found.patches
            if self.args.vision_loss_weight:
                weight = inputs["patch_weight"]
                self.note("vm_accuracy", (found.hits * weight).sum(), weight.sum())
        # Without asking the device which levels there are, which would make the host wait for it.
        levels = inputs["target_level"].clamp(max=DEEPEST)
        sums = losses.new_zeros(DEEPEST + 1).index_add(0, levels, losses.detach())
        counts = losses.new_zeros(DEEPEST + 1).index_add(0, levels, torch.ones_like(losses))
        for level in range(DEEPEST + 1):
            self.note("loss_questions" if level == NO_LEVEL else f"loss_level_{level}", sums[level], counts[level])
        if self.model.training:
            self.tally("refused_texts", inputs["refused"])
        sums = {"lm_loss": (losses * inputs["target_weight"]).sum()}
        if patches is None or not self.args.vision_loss_weight:
            return {"loss": sums["lm_loss"]}
        return sums | {"vm_loss": (patches * inputs["patch_weight"]).sum()}

    # Evaluation by generation

    def evaluation_loop(self, dataloader, *args, metric_key_prefix="eval", **kwargs):
        output = super().evaluation_loop(dataloader, *args, metric_key_prefix=metric_key_prefix, **kwargs)
        if self.args.eval_generate:
            rows = dataloader.dataset
            chains = [number for number, levels in enumerate(rows.levels) if NO_LEVEL not in levels]
            if len(chains) > self.args.eval_generate:
                chains = sorted(random.Random(0).sample(chains, self.args.eval_generate))
            scores = self.grounding([rows.rows[number] for number in chains])
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
