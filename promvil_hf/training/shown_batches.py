# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Batches as the model sees them, on a page or as words: what is read, what of it is trained, and where.

Texts, and the boxes of chains with their pictures, are read back from the tensors, so a box that is drawn in the wrong
place is in the wrong place for the model. Conversations show the picture of the row and the patches that are trained.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from promvil_hf import pages
from promvil_hf.boxes import Box
from promvil_hf.dialects import Kosmos2
from promvil_hf.training.losses import UNLABELLED


@dataclass(frozen=True, slots=True)
class ShownText:
    """A text in pieces, each with whether it is trained; its picture, and boxes on it with a word for each."""

    head: str
    pieces: Sequence[tuple[str, bool]]
    picture: Image.Image | None
    boxes: Sequence[tuple[str, Box]]
    what_boxes_are: str

    def __str__(self) -> str:
        words = Counter(word for word, _ in self.boxes)
        boxes = ", ".join(f"{word!r} {count}" for word, count in words.most_common())
        trained = "".join(text for text, is_trained in self.pieces if is_trained)
        return f"{self.head}\n  trained text: {trained!r}\n  {self.what_boxes_are}: {boxes or 'none'}"

    def on_page(self) -> Iterator[pages.Html]:
        if self.picture is not None:
            words = list(dict.fromkeys(word for word, _ in self.boxes))
            marks, named = [], set()
            for word, box in self.boxes:  # a word's boxes share a colour, and the first one is labelled
                marks.append(pages.BoxMark(box, "" if word in named else word, words.index(word)))
                named.add(word)
            alt = "".join(text for text, _ in self.pieces)
            yield pages.figure(self.picture, alt=f"{self.head}; {alt}", boxes=marks, caption=self.head)
        yield pages.marked_text(self.pieces)


def write_batches(path, batches: Iterable[tuple[Mapping, Iterable[ShownText]]], title: str) -> Path:
    """Write batches, and what is shown of each, to an HTML file."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    body = []
    for number, (batch, texts) in enumerate(batches, 1):
        facts = {name: str(tuple(tensor.shape)) for name, tensor in batch.items() if tensor.dim()}
        if "refused" in batch:
            facts["refused texts"] = str(int(batch["refused"]))
        shown = [part for text in texts for part in text.on_page()]
        body.append(pages.section(f"Batch {number}", pages.facts(facts), *shown))
    lead = "What the model reads, from the tensors themselves. Marked text is trained; the rest is given."
    return pages.write(path, pages.page(f"What the model sees: {title}", *body, lead=lead))


def shown_chains(batch: Mapping[str, torch.Tensor], processor) -> Iterator[ShownText]:
    """The texts of a `ChainCollator` batch."""
    images = pictures(batch["pixel_values"], processor.image_processor)
    for row, picture in enumerate(batch["image_of_row"].tolist()):
        for number, (level, pieces) in enumerate(texts_of_row(batch, row, processor.tokenizer), 1):
            phrases = Kosmos2().read("".join(piece for piece, _ in pieces)).phrases
            boxes = [(phrase.text, box) for phrase in phrases for box in phrase.boxes]
            head = f"row {row + 1}, text {number}: {'a question' if level == 0 else f'level {level}'}"
            yield ShownText(head, pieces, images[picture], boxes, "boxes in the text")


def shown_chat_chains(batch: Mapping[str, torch.Tensor], rows: Sequence[Mapping], collator) -> Iterator[ShownText]:
    """The texts of a `PatchChainCollator` batch of one picture."""
    backend = collator.backend
    picture = collator.open_image(rows[0])
    image = backend.image_positions(batch)
    branch = batch["branch"] if "branch" in batch else batch["attention_mask"] * 2 - 1  # else each row is one text
    laid_out = {**batch, "image_slots": image, "branch": branch}
    for row in range(len(batch["input_ids"])):
        for number, (level, pieces) in enumerate(texts_of_row(laid_out, row, backend.processor.tokenizer), 1):
            answer = "".join(text for text, trained in pieces if trained)
            boxes = backend.dialect.parse(answer, image_size=picture.size).boxes
            head = f"row {row + 1}, text {number}: {'a question' if level == 0 else f'level {level}'}"
            yield ShownText(head, pieces, picture, [("answer", box) for box in boxes], "boxes in the answer")


def shown_conversations(batch: Mapping[str, torch.Tensor], rows: Sequence[Mapping], collator) -> Iterator[ShownText]:
    """The rows of a `FiVLCollator` batch."""
    tokenizer, backend = collator.backend.processor.tokenizer, collator.backend
    images = [collator.picture(row) for row in rows]
    image_tokens = backend.image_positions(batch)
    places = backend.token_boxes(batch, [None if image is None else image.size for image in images])
    for number, (row, image, token_boxes) in enumerate(zip(rows, images, places, strict=True)):
        ids, labels = batch["input_ids"][number], batch["labels"][number]
        words = batch["attention_mask"][number].bool() & ~image_tokens[number]
        tokens = list(zip(ids[words].tolist(), (labels[words] != UNLABELLED).tolist(), strict=True))
        targets = batch["vision_labels"][number][image_tokens[number]].reshape(len(token_boxes), -1)
        boxes = [
            (tokenizer.decode(target[target != UNLABELLED]).strip(), box)
            for target, box in zip(targets, token_boxes, strict=True)
            if (target != UNLABELLED).any()
        ]
        head = f"row {row.get('row_id', number)}: {len(ids)} tokens"
        yield ShownText(head, _pieces(tokens, tokenizer), image, boxes, "trained patches")


def pictures(pixel_values: torch.Tensor, image_processor) -> list[Image.Image]:
    """The pictures that these pixel values are."""
    mean, std = (np.array(values).reshape(3, 1, 1) for values in (image_processor.image_mean, image_processor.image_std))
    found = []
    for pixels in pixel_values.float().cpu().numpy():
        levels = np.clip((pixels * std + mean) * 255, 0, 255).round().astype(np.uint8)
        found.append(Image.fromarray(levels.transpose(1, 2, 0)))
    return found


def texts_of_row(batch: Mapping[str, torch.Tensor], row: int, tokenizer) -> Iterator[tuple[int, list[tuple[str, bool]]]]:
    """For each text of a packed row its level and its pieces, each with whether it is trained; slots are left out."""
    ids, branch = batch["input_ids"][row], batch["branch"][row]
    shared = [token for token, slot in zip(ids[branch == 0].tolist(), batch["image_slots"][row].tolist()) if not slot]
    for number in range(1, int(branch.max()) + 1):
        places = (branch == number).nonzero()[:, 0].tolist()
        of_text = (batch["target_row"] == row) & (batch["target_branch"] == number)
        # A target is the token after its place; after the last shared place comes the first token of the text.
        trained = {place + 1 if branch[place] else places[0] for place in batch["target_place"][of_text].tolist()}
        tokens = [(token, False) for token in shared] + [(int(ids[place]), place in trained) for place in places]
        yield int(batch["target_level"][of_text][0]), _pieces(tokens, tokenizer)


def _pieces(tokens: list[tuple[int, bool]], tokenizer) -> list[tuple[str, bool]]:
    """Runs of tokens that are trained alike, decoded."""
    pieces: list[tuple[list[int], bool]] = []
    for token, trained in tokens:
        if not pieces or pieces[-1][1] != trained:
            pieces.append(([], trained))
        pieces[-1][0].append(token)
    return [(tokenizer.decode(run), trained) for run, trained in pieces]
