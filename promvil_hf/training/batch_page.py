# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A page that shows batches as the model sees them: processed pictures, boxes read back from the tokens, what is trained.

Special: nothing on it comes from the rows. Pictures are undone from `pixel_values`, texts and boxes from token ids, so a
box that is drawn in the wrong place is in the wrong place for the model. Floor 3.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from promvil_hf import pages
from promvil_hf.dialects import Kosmos2


def write_batches(path, loader: Iterable[Mapping], title: str, processor, batches: int = 3) -> Path:
    """Write the first batches of a loader to an HTML file."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    body = (
        pages.section(f"Batch {number}", *show_batch(batch, processor))
        for number, batch in enumerate(islice(iter(loader), batches), 1)
    )
    lead = "What the model reads, from the tensors themselves. Marked text is trained; the rest is given."
    return pages.write(path, pages.page(f"What the model sees: {title}", *body, lead=lead))


def show_batch(batch: Mapping[str, torch.Tensor], processor) -> Iterator[pages.Html]:
    counts = {name: tuple(tensor.shape) for name, tensor in batch.items() if tensor.dim()}
    yield pages.facts({name: str(shape) for name, shape in counts.items()} | {"refused texts": str(int(batch["refused"]))})
    images = pictures(batch["pixel_values"], processor.image_processor)
    for row, picture in enumerate(batch["image_of_row"].tolist()):
        texts = list(texts_of_row(batch, row, processor.tokenizer))
        for number, (level, pieces) in enumerate(texts, 1):
            text = "".join(piece for piece, _ in pieces)
            marks = [
                pages.BoxMark(box, phrase.text) for phrase in Kosmos2().read(text).phrases for box in phrase.boxes
            ]
            head = f"row {row + 1}, text {number}: {'a question' if level == 0 else f'level {level}'}"
            yield pages.figure(images[picture], alt=f"picture {picture + 1}; {text}", boxes=marks, caption=head)
            yield pages.marked_text(pieces)


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
        own = (batch["target_row"] == row) & (batch["target_branch"] == number)
        # A target is the token after its place; after the last shared place comes the first token of the text.
        trained = {place + 1 if branch[place] else places[0] for place in batch["target_place"][own].tolist()}
        tokens = [(token, False) for token in shared] + [(int(ids[place]), place in trained) for place in places]
        yield int(batch["target_level"][own][0]), _pieces(tokens, tokenizer)


def _pieces(tokens: list[tuple[int, bool]], tokenizer) -> list[tuple[str, bool]]:
    """Runs of tokens that are trained alike, decoded."""
    pieces: list[tuple[list[int], bool]] = []
    for token, own in tokens:
        if not pieces or pieces[-1][1] != own:
            pieces.append(([], own))
        pieces[-1][0].append(token)
    return [(tokenizer.decode(run), own) for run, own in pieces]
