# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The chain collator: what the model reads and which of its tokens are trained, down to the token."""

import functools
import io
import json
import re

import datasets
import pytest
import torch
from PIL import Image

from promvil_hf.backends.kosmos2 import Kosmos2Backend
from promvil_hf.boxes import Box
from promvil_hf.dialects import Kosmos2
from promvil_hf.phrases import GroundedPhrase, PhraseChain, PhraseStep, to_row
from promvil_hf.toy.models import tiny_kosmos2
from promvil_hf.training.chain_texts import Texts, chain_in, row_levels
from promvil_hf.training.curriculum import NO_LEVEL, Cut, nothing
from promvil_hf.training.kosmos2_chain_collator import ChainCollator
from tests.reference.chain_batches import chain_batch


# The patches that the published rows become (upper left, lower right of a 32x32 grid), in the order of their texts.
PUBLISHED = [
    [(545, 610), (545, 610), (480, 999), (480, 999), (480, 999), (480, 999)],
    [(487, 786), (463, 593), (487, 786), (463, 593), (233, 1008)],
    [(576, 1008), (576, 1008), (770, 997)],
    [(744, 1004), (745, 1004), (744, 1004), (745, 1004), (430, 914)],
    [(641, 674), (641, 674), (642, 772), (642, 772), (642, 772), (642, 772)],
    None,
    None,
    [(422, 913), (422, 913), (110, 891)],
    None,
]


@functools.cache
def tiny():
    return tiny_kosmos2(latent_query_num=8)


def collator(**options) -> ChainCollator:
    return ChainCollator(tiny().processor, 8, **options)


@functools.cache
def picture(colour="red"):
    return Image.new("RGB", (40, 30), colour)


def chain(image_id="1") -> PhraseChain:
    return PhraseChain(
        image_id,
        [
            PhraseStep(GroundedPhrase("the star", [Box(0.1, 0.1, 0.3, 0.3), Box(0.5, 0.5, 0.9, 0.9)])),
            PhraseStep(GroundedPhrase("the circle above the star", [Box(0.1, 0, 0.3, 0.2)]), [0], ["the star"]),
            PhraseStep(
                GroundedPhrase("the ring left of the circle above the star", [Box(0, 0, 0.1, 0.1)]),
                [1],
                ["the circle above the star"],
            ),
        ],
    )


def row(**more) -> dict:
    return {"image": picture(), "chain": chain(), **more}


QUESTION = {"dataset": "vg_qa", "text": ["Question: How many rings are there? Short Answer: One."], "bboxes": None}


def trained_text(batch, tokenizer) -> str:
    return tokenizer.decode(batch["target_token"].tolist())


# The published rows, with the published processor


@pytest.fixture(scope="module")
def published(shared_data):
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(shared_data / "kosmos2" / "processor_hf_derived")
    with open(shared_data / "promvil" / "data_sample.json") as lines:
        return processor, [json.loads(line) for line in lines]


def test_published_rows_become_the_published_texts_and_box_tokens(published):
    processor, rows = published
    for given, patches in zip(rows, PUBLISHED, strict=True):
        texts = Texts().of_row(given)
        assert [re.sub("<object>.*?</object>", "", text.text) for text in texts] == given["text"]
        if patches:
            written = [tuple(map(int, pair)) for text in texts for pair in
                       re.findall(r"<patch_index_(\d+)><patch_index_(\d+)>", text.text)]  # fmt: skip
            assert written == patches


def test_published_rows_are_read_and_trained_token_by_token_as_the_reference_does(published):
    processor, rows = published
    ours = ChainCollator(processor, 64, pack=False)
    file = io.BytesIO()
    picture().save(file, "png")
    for given in rows[:5]:  # nested rows with one <grounding> a text
        theirs = chain_batch({"image": file.getvalue(), "chain": chain_in(given)}, processor, 64)
        batch = ours([{**given, "image": picture()}])
        assert torch.equal(batch["input_ids"], theirs["input_ids"])
        assert torch.equal(batch["image_slots"].long(), theirs["image_embeds_position_mask"])
        labels = torch.full_like(batch["input_ids"], -100)
        labels[batch["target_row"], batch["target_place"] + 1] = batch["target_token"]
        assert torch.equal(labels, theirs["labels"])


def test_trained_tokens_of_published_rows_decode_to_exactly_the_intended_text(published):
    processor, rows = published
    ours = ChainCollator(processor, 64)
    for given in rows:
        texts = Texts().of_row(given)
        for text in texts:
            (branch,) = ours.branches([text])
            decoded = processor.tokenizer.decode([t for t, trained in zip(branch.tokens, branch.trained) if trained])
            if text.level:
                intended = text.text[text.text.rindex("<phrase>") :]
            else:
                intended = text.text.split("Answer:")[1]
            assert re.sub(r"\s", "", decoded) == re.sub(r"\s", "", intended)


def test_published_questions_train_the_answer_alone(published):
    processor, rows = published
    batch = ChainCollator(processor, 64)([{**rows[8], "image": picture()}])
    assert processor.tokenizer.decode(batch["target_token"].tolist()).strip() == "One."
    assert batch["target_level"].tolist() == [NO_LEVEL] * 2


# What is laid out


def test_the_texts_of_a_chain_are_those_of_the_reference():
    texts = [re.sub("<object>.*?</object>", "", text.text) for text in Texts().of_row(row())]
    assert texts == to_row(chain(), "")["text"]
    assert [text.level for text in Texts().of_row(row())] == [1, 2, 2, 3]


def test_without_evidence_each_step_stands_alone():
    texts = Texts(evidence=False).of_row(row())
    assert [text.level for text in texts] == [1, 2, 3]
    assert all("We can see" not in text.text for text in texts)


@pytest.mark.parametrize(
    ("options", "intended"),
    [
        ({}, "<phrase>the ring left of the circle above the star</phrase><object><patch_index_0000><patch_index_0099>"
             "</object>."),
        ({"span": "boxes"}, "<patch_index_0000><patch_index_0099></object>."),
        ({"close": False}, "<phrase>the ring left of the circle above the star</phrase><object><patch_index_0000>"
                           "<patch_index_0099>"),
        ({"span": "boxes", "close": False}, "<patch_index_0000><patch_index_0099>"),
    ],
)  # fmt: skip
def test_what_is_trained_can_be_chosen(options, intended):
    top = Texts(**options).of_row(row())[-1]
    ((start, end),) = top.spans
    assert top.text[start:end] == intended
    batch = collator(texts=Texts(**options))([row(cut=Cut(0, 3, 3))])
    assert trained_text(batch, tiny().processor.tokenizer).replace(" ", "") == intended.replace(" ", "")


def test_the_end_token_is_trained_only_if_asked_for():
    end = tiny().processor.tokenizer.eos_token_id
    assert end not in collator()([row()])["target_token"]
    batch = collator(end=True)([row()])
    assert (batch["target_token"] == end).sum() == 4 == (batch["input_ids"] == end).sum()


def test_packed_rows_read_the_same_texts_as_single_rows_in_the_same_places():
    backend = Kosmos2Backend(tiny().model, tiny().processor)
    rows = [row(), {**QUESTION, "image": picture()}, row(image=picture("blue"))]
    batch = collator()(rows)
    assert batch["pixel_values"].shape[0] == 2 == len(batch["image_of_row"])
    expected = [backend.prompt_tokens([text.text for packed in rows[:2] for text in Texts().of_row(packed)]),
                backend.prompt_tokens([text.text for text in Texts().of_row(rows[2])])]  # fmt: skip
    for number, texts in enumerate(expected):
        ids, branch, positions = batch["input_ids"][number], batch["branch"][number], batch["position_ids"][number]
        for text, tokens in enumerate(texts, 1):
            seen = (branch == 0) | (branch == text)
            assert ids[seen].tolist() == tokens
            assert positions[seen].tolist() == list(range(2, 2 + len(tokens)))
        assert set(ids[branch == -1].tolist()) <= {1} and branch.max() == len(texts)
        assert batch["image_slots"][number].nonzero()[:, 0].tolist() == list(range(2, 10))


def test_each_target_is_the_next_token_of_its_own_text():
    batch = collator()([row()])
    branch, ids = batch["branch"][0], batch["input_ids"][0]
    for place, token, level in zip(batch["target_place"], batch["target_token"], batch["target_level"], strict=True):
        if branch[place]:
            assert ids[place + 1] == token and branch[place + 1] == branch[place]
        else:  # the last shared token predicts what each text begins with
            assert place == (branch == 0).sum() - 1 and level in (1, 2, 3)
    shared = tiny().processor.tokenizer.decode(ids[branch == 0].tolist())
    assert shared.endswith("<grounding>")  # more is not common to "<phrase>stars" and "We can see"


def test_a_single_text_shares_everything_before_its_targets():
    batch = collator()([row(cut=Cut(0, 3, 3))])
    shared = tiny().processor.tokenizer.decode(batch["input_ids"][0][batch["branch"][0] == 0].tolist())
    assert shared.replace(" ", "").endswith("wecandetect:")
    assert (batch["branch"] == 1).sum() == len(batch["target_token"])


def test_a_cut_trains_its_levels_and_the_others_are_evidence():
    for levels in ((1, 1), (2, 2), (3, 3), (1, 2)):
        batch = collator()([row(cut=Cut(0, *levels))])
        assert set(batch["target_level"].tolist()) == set(range(levels[0], levels[1] + 1))
    text = tiny().processor.tokenizer.decode(collator()([row(cut=Cut(0, 3, 3))])["input_ids"][0].tolist())
    assert "the circle above the star" in text.replace("</phrase>", "")


def test_a_cut_that_trains_nothing_still_makes_a_batch():
    batch = collator()([row(cut=nothing(0))])
    assert len(batch["pixel_values"]) == 1 and len(batch["target_token"]) == 0 and batch["target_weight"].sum() == 0
    assert batch["image_slots"].sum() == 8
    both = collator()([row(cut=nothing(0)), row(cut=Cut(0, 1, 1))])
    assert len(both["input_ids"]) == 1  # beside others it costs nothing


def test_levels_can_weigh_differently_and_questions_weigh_one():
    batch = collator(level_weights=[0.5, 2])([row(), {**QUESTION, "image": picture()}])
    weights = {int(level): float(weight) for level, weight in zip(batch["target_level"], batch["target_weight"])}
    assert weights == {1: 0.5, 2: 2.0, 3: 2.0, NO_LEVEL: 1.0}


def test_steps_without_boxes_are_evidence_at_most():
    steps = list(chain().steps)
    steps[0] = PhraseStep(GroundedPhrase("the star"))
    batch = collator()([{"image": picture(), "chain": PhraseChain("1", steps)}])
    assert set(batch["target_level"].tolist()) == {2, 3}
    assert row_levels({"chain": PhraseChain("1", steps)}) == (2, 3)


def test_several_turns_train_each_answer_and_no_later_question():
    text = "Question: What is it? Answer: A ring. Question: How many? Answer: One."
    (laid_out,) = Texts().of_row({"text": [text], "bboxes": None})
    assert [text[start:end] for start, end in laid_out.spans] == [" A ring.", " One."]


# Pictures


def test_equal_pictures_are_opened_and_encoded_once(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    picture().save(path)
    data = path.read_bytes()
    opened = []
    monkeypatch.setattr(Image, "open", lambda file, original=Image.open: (opened.append(file), original(file))[1])
    named = [{"image_path": "a.png", "chain": chain()}, {"image": str(path), "chain": chain()}]
    assert len(collator(image_root=tmp_path)(named)["pixel_values"]) == 1 == len(opened)
    embedded = [{"image": {"bytes": data, "path": None}, "chain": chain()}] * 2 + [{"image": bytes(data), "chain": chain()}]
    assert len(collator()(embedded)["pixel_values"]) == 1 and len(opened) == 2


def test_a_column_of_datasets_works_decoded_and_not(tmp_path):
    path = tmp_path / "a.png"
    picture().save(path)
    column = datasets.Dataset.from_dict({"image": [str(path)]}).cast_column("image", datasets.Image())
    decoded = collator()([{**column[0], "chain": chain()}])
    raw = collator()([{**column.cast_column("image", datasets.Image(decode=False))[0], "chain": chain()}])
    assert torch.equal(decoded["pixel_values"], raw["pixel_values"])


# Too long


def test_a_text_that_does_not_fit_is_refused_and_counted_never_cut():
    lengths = [8 + 2 + len(branch.tokens) for branch in collator().branches(Texts().of_row(row()))]
    limit = sorted(lengths)[-1] - 1
    batch = collator(max_tokens=limit)([row()])
    assert batch["refused"] == 1
    whole = [branch for branch in collator().branches(Texts().of_row(row())) if 10 + len(branch.tokens) <= limit]
    assert len(batch["target_token"]) == sum(sum(branch.trained) for branch in whole)
    nothing_left = collator(max_tokens=12)([row()])
    assert nothing_left["refused"] == 4 and len(nothing_left["target_token"]) == 0


def test_texts_that_do_not_fit_into_one_row_go_to_a_further_row_of_the_same_picture():
    batch = collator(max_row_tokens=60)([row()])
    assert len(batch["pixel_values"]) == 1 and len(batch["input_ids"]) > 1
    assert batch["image_of_row"].tolist() == [0] * len(batch["input_ids"])
    assert sorted(batch["target_token"].tolist()) == sorted(collator()([row()])["target_token"].tolist())


# Bad rows


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ({"chain": chain(), "image_id": "77"}, "The row '77' has no image: each row needs `image`"),
        ({"image": picture(), "phrase": "x"}, "it needs `steps` (CompoVL), or `text`"),
        ({"image": picture(), "text": ["How many?"], "bboxes": None}, "it must read 'Question: … Answer: …'"),
        ({"image": picture(), "chain": PhraseChain("5", [PhraseStep(GroundedPhrase("the cat"))])},
         "The chain about 'the cat' (image 5) has no boxes"),
        ({"image": picture(), "steps": [{"text": "a", "boxes": [[0.2, 0.2, 1.4, 0.5]], "anchors": [], "mentions": []}],
          "image_id": "1"}, "to Box: it needs 0 <= x0 < x1 <= 1"),
        ({"image": b"no picture", "chain": chain()}, "Cannot open the image 10 bytes"),
        ({"image": "missing.png", "chain": chain()}, "Cannot open the image missing.png"),
    ],
)  # fmt: skip
def test_bad_rows_are_refused_with_a_sentence(bad, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        collator()([bad])


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="span='words': it is one of phrase, boxes"):
        Texts(span="words")
    with pytest.raises(ValueError, match="weights are 0 or more"):
        collator(level_weights=[-1])


def test_a_phrase_that_looks_like_a_tag_is_no_tag():
    steps = [PhraseStep(GroundedPhrase("the <object> sign", [Box(0, 0, 0.5, 0.5)]), own_level=2)]
    batch = collator()([{"image": picture(), "chain": PhraseChain("1", steps)}])
    opening = tiny().processor.tokenizer.convert_tokens_to_ids("<object>")
    assert (batch["input_ids"] == opening).sum() == 1


def test_the_dialect_of_the_collator_and_of_the_backend_write_the_same_prompt():
    prompt = Kosmos2().prompt("the star", (), level=1)
    assert Texts().of_row(row())[0].text.startswith(prompt)
