# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The toy bases' training runs, asks and answers truly about scenes, and writes folders that load."""

import json
import re
import shutil
from collections import Counter
from functools import partial
from random import Random

import numpy as np
import pytest
import torch

from promvil_hf.backends.base import Decoding, Request
from promvil_hf.backends.loading import load
from promvil_hf.backends.patch_tokens import PatchTokenBackend
from promvil_hf.dialects import Kosmos2
from promvil_hf.toy.config import COLORS
from promvil_hf.toy.models import tiny_llava
from promvil_hf.toy.relations import side_of
from promvil_hf.toy.small_world import HARD, HELD_OUT, NESTED, held_out, questions
from promvil_hf.toy.training_rows import (
    COLUMNS,
    NAMES,
    PATCH,
    PLACES,
    ROWS,
    ToyRows,
    asked_for_squares,
    asked_of_each,
    asked_what_is_there,
    phrase_row,
    place_row,
    place_talk_row,
    question_row,
)
from promvil_hf.training.fivl_collator import FiVLCollator
from studies.toy_bases import alignment, kosmos2, llava, llava_boxes, tower
from studies.toy_bases.__main__ import main
from studies.toy_bases.alignment import WORDS, truths, word_ids
from studies.toy_bases.measure import answering, grounding
from studies.toy_bases.tower import ASKED, DenseHead, collate, copy_tower, dense_loss, pixel_values


torch.set_num_threads(1)


@pytest.fixture(scope="module")
def scenes():
    return held_out(HARD, 6)


def test_each_row_is_the_same_whenever_it_is_asked_for_and_another_seed_draws_others():
    rows, again, others = (ToyRows(place_row, 8, seed) for seed in (0, 0, 1))
    for index in (5, 0):
        assert all((a == b).all() for a, b in zip(rows[index], again[index], strict=True))
    assert any((rows[index][0] != others[index][0]).any() for index in range(8))


def test_training_never_reaches_the_held_out_scenes():
    assert held_out(HARD, 1)[0].index == HELD_OUT
    with pytest.raises(ValueError, match="are held out for measuring"):
        ToyRows(place_row, HELD_OUT + 1)
    with pytest.raises(IndexError):
        ToyRows(place_row, 8)[8]


def test_a_place_tells_name_color_and_cells_of_the_object_that_covers_most_of_it(scenes):
    for drawn in scenes:
        image, truth = place_row(drawn)
        assert image.shape == (64, 64, 3) and truth.shape == (PLACES, 7)
        labels = drawn.label_map()
        for place in np.flatnonzero(truth[:, 0] >= 0):
            row, column = divmod(int(place), 64 // PATCH)
            window = labels[row * PATCH : (row + 1) * PATCH, column * PATCH : (column + 1) * PATCH]
            thing = drawn.objects[int(np.bincount(window[window > 0]).argmax()) - 1]
            assert NAMES[truth[place, 0]] == thing.name
            assert thing.color is None or COLORS[truth[place, 1]] == thing.color
            x0, y0, x1, y1 = truth[place, 3:]
            cells = (y0 * 32 + x0, y1 * 32 + x1)
            assert cells == Kosmos2().grid.encode(drawn.box(drawn.position_of(thing.object_id)))


def test_a_place_says_its_side_where_the_middle_of_its_object_is_clear_of_the_middle_of_the_picture():
    assert WORDS["side"] == ("left", "right")
    cells = torch.tensor([[0, 0, 0, 0, 0, 14, 9], [0, 0, 0, 17, 0, 31, 9], [0, 0, 0, 10, 0, 21, 9], [-1] * 7])
    assert truths(cells)["side"].tolist() == [0, 1, -1, -1]
    for aspect, place in (("name", 0), ("color", 1), ("size", 2)):
        assert torch.equal(truths(cells)[aspect], cells[:, place])


def test_a_place_says_the_square_that_the_middle_of_its_object_lies_in():
    cells = torch.tensor([[0, 0, 0, 0, 0, 7, 3], [0, 0, 0, 16, 24, 31, 31], [-1] * 7])
    found = truths(cells)
    assert [COLUMNS[place] for place in found["column"][:2]] == ["B", "G"] and found["column"][2] == -1
    assert [ROWS[place] for place in found["row"][:2]] == ["1", "8"] and found["row"][2] == -1


def test_a_square_holds_the_middle_of_the_thing_that_is_asked_for(scenes):
    side = 64 // len(COLUMNS)
    for drawn in scenes:
        phrases = {f"On which square is {noun.text}?": noun.target for noun in drawn.phrases[0]}
        asked = dict(asked_for_squares(drawn))
        assert asked.keys() == phrases.keys()
        for question, answer in asked.items():
            left, top, right, bottom = drawn.objects[phrases[question]].xyxy_px
            column, row = answer.split()
            assert COLUMNS.index(column) * side <= (left + right) / 2 < (COLUMNS.index(column) + 1) * side
            assert ROWS.index(row) * side <= (top + bottom) / 2 < (ROWS.index(row) + 1) * side


def test_each_thing_is_asked_for_what_its_phrase_does_not_say(scenes):
    for drawn in scenes:
        asked = dict(asked_of_each(drawn))
        for noun in drawn.phrases[0]:
            thing = drawn.objects[noun.target]
            left, _, right, _ = thing.xyxy_px
            side = asked.pop(f"On which side of the image is {noun.text}?", None)
            assert side == side_of(left, right, 64) and (side is None or (side == "left") == (left + right < 64))
            for aspect, word in (("color", thing.color), ("size", thing.size)):
                said = asked.pop(f"What {aspect} is {noun.text}?", None)
                assert said == (None if word in noun.adjectives else word)
        assert not asked
    assert side_of(0, 53, 64) == "left" and side_of(29, 35, 64) is None


def test_a_phrase_row_asks_for_each_object_at_most_twice_with_its_own_box(scenes):
    for drawn in scenes:
        steps = phrase_row(drawn, Random(0))["chain"].steps
        true_boxes = {drawn.box(position) for position in range(len(drawn.objects))}
        asked = Counter(step.target.boxes[0] for step in steps)
        assert set(asked) <= true_boxes and max(asked.values()) <= 2
        assert len({step.target.text for step in steps}) == len(steps)


@pytest.mark.parametrize("row_of", [question_row, place_talk_row])
def test_a_conversation_always_has_turns(row_of):
    rows = ToyRows(row_of, 200, 0, llava.WORLDS)
    asked = [rows[index]["turns"] for index in range(200)]
    assert all(1 <= len(turns) <= 12 for turns in asked)


def test_what_is_there_is_asked_truly_and_earlier_answers_do_not_give_later_ones_away(scenes):
    after = {"yes": Counter(), "no": Counter()}
    for drawn in scenes:
        here = {f"{thing.color} {thing.name}" for thing in drawn.objects}
        for seed in range(40):
            asked = asked_what_is_there(drawn, Random(1_000 * drawn.image_id + seed))
            assert len(dict(asked)) == len(asked)
            for question, answer in asked:
                noun = question.removeprefix("Is there ").removesuffix(" in the image?").split(" ", 1)[1]
                assert (answer == "yes") == (noun in here)
            for (_, last), (_, answer) in zip(asked, asked[1:], strict=False):
                after[last][answer] += 1
    for counts in after.values():  # 0.5 within three standard errors
        assert abs(counts["yes"] / counts.total() - 0.5) < 1.5 / counts.total() ** 0.5


def test_a_picture_is_described_thing_by_thing_with_their_squares(scenes):
    turns = [place_talk_row(drawn, Random(number))["turns"][0] for drawn in scenes for number in range(8)]
    answers = [turn["answer"].split(", ") for turn in turns if turn["question"] == "What is in the image?"]
    assert answers and {len(things) for things in answers} <= {len(drawn.objects) for drawn in scenes}
    assert all(re.fullmatch("the [a-z ]+ [A-H] [1-8]", thing) for things in answers for thing in things)


def test_pixel_values_are_those_of_both_processors(scenes):
    picture = scenes[0].image()
    ours = pixel_values(np.asarray(picture)[None])
    for tiny in (kosmos2.untrained(), llava.untrained()):
        theirs = tiny.processor.image_processor(picture, return_tensors="pt")["pixel_values"]
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_the_dense_loss_is_least_where_every_place_is_right(scenes):
    _, truth = collate(place_row(drawn) for drawn in scenes)
    sure = []
    for place, count in enumerate(ASKED.values()):
        answer = truth[..., place]
        answer = torch.where(truth[..., 0] >= 0, answer, count - 1 if place < 3 else 0)
        sure.append(20.0 * torch.nn.functional.one_hot(answer, count).float())
    loss, right = dense_loss(sure, truth)
    assert loss < 1e-3 and set(right.values()) == {1.0}
    head = DenseHead(8)
    assert [part.shape[-1] for part in head(torch.zeros(1, 2, 8))] == list(ASKED.values())


def test_neighbouring_cells_begin_more_alike_than_distant_ones():
    codes = kosmos2.cell_codes(128)
    alike = codes @ codes.T
    assert torch.allclose(alike.diagonal(), alike[0, 0])
    assert alike[0, 1] > alike[0, 4] > alike[0, 31] and alike[0, 32] > alike[0, 4 * 32]
    assert (alike - 2 * torch.diag(alike.diagonal())).max() < alike[0, 0]  # every cell has a code of its own


def test_at_its_start_each_latent_query_prefers_its_own_place():
    tiny = kosmos2.untrained()
    kosmos2.start(tiny.model, tiny.processor.tokenizer, scenes=50)
    projection = tiny.model.image_to_text_projection
    queries = projection.x_attn.q_proj(projection.latent_query)
    alike = queries @ (projection.latent_query / projection.latent_query.norm(dim=-1, keepdim=True)).T
    assert (alike.argmax(-1) == torch.arange(PLACES)).float().mean() > 0.9


def test_a_clip_tower_reads_what_the_kosmos2_tower_gives(scenes):
    tower = kosmos2.untrained(seed=3).model.vision_model
    tiny = llava.untrained()
    llava.start(tiny, tower, scenes=50)
    model = tiny.model
    images = pixel_values(np.stack([np.asarray(drawn.image()) for drawn in scenes]))
    clip = model.model.vision_tower(pixel_values=images, output_hidden_states=True).hidden_states[-2]
    assert torch.allclose(clip, tower(pixel_values=images).last_hidden_state, atol=1e-4)
    with pytest.raises(ValueError, match="You passed towers that differ"):
        copy_tower(tower, tiny_llava(width=32, image_size=64, patch_size=8).model.model.vision_tower)


def test_heads_that_look_back_begin_by_reading_the_token_so_many_before():
    tiny = llava.untrained()
    llava.start(tiny, kosmos2.untrained().model.vision_model, scenes=20)
    language = tiny.model.model.language_model
    tiny.model.set_attn_implementation("eager")
    tokens = torch.randint(10, 200, (4, 150), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        looks = language(input_ids=tokens, output_attentions=True).attentions
    for layer, distances in enumerate(llava.LOOKS_BACK):
        shares = [float(looks[layer][:, head].diagonal(-d, 1, 2).mean()) for head, d in enumerate(distances)]
        assert min(shares) > 0.8
    last = [float(looks[2][:, head].diagonal(-d, 1, 2).mean()) for head in range(4) for d in range(1, 7)]
    assert max(last) < 0.3  # the other layers are not set


def test_what_the_llava_base_reads_before_an_answer_is_what_it_was_trained_on(scenes):
    tiny = llava.untrained()
    backend = PatchTokenBackend(tiny.model, tiny.processor)
    row = question_row(scenes[0], Random(0), turns=1)
    batch = FiVLCollator(backend)([row])
    trained = batch["labels"][0] != -100
    before = batch["input_ids"][0, : int(trained.nonzero()[0])]
    asked = backend.inputs([Request(row["turns"][0]["question"], row["image"])])["input_ids"][0]
    assert before.tolist() == asked.tolist()


def test_measuring_counts_each_expression_and_each_question_once(scenes):
    class Oracle:
        dialect = Kosmos2()

        def generate(self, requests, decoding=Decoding()):  # noqa: B008
            return [
                type("A", (), {"text": self.texts[len(self.texts) - len(requests) + k]})() for k in range(len(requests))
            ]

    oracle = Oracle()
    nested = held_out(NESTED, 3)
    wanted = [(drawn, expression) for drawn in nested for expression in drawn.expressions(4) if expression.level == 3]
    targets = [drawn.box(drawn.position_of(expression.target_id)) for drawn, expression in wanted]
    grid = Kosmos2().grid
    oracle.texts = ["".join(f"<patch_index_{cell:04d}>" for cell in grid.encode(box)) for box in targets]
    found = grounding(oracle, nested, level=3, resamples=10)
    assert found.rows == len(wanted) and found.clusters == 3 and found.estimate == 1.0
    oracle.texts = [answer for drawn in scenes for _, _, answer in questions(drawn)]
    found_scores = answering(oracle, scenes, batch_size=10_000, resamples=10)
    assert found_scores["all"].estimate == 1.0 and found_scores["all"].rows == len(oracle.texts)
    assert sum(score.rows for kind, score in found_scores.items() if kind != "all") == found_scores["all"].rows


def test_each_word_of_the_world_is_one_token_of_both_bases_and_a_spelled_one_is_refused():
    for tiny, squares in ((kosmos2.untrained(), 0), (llava.untrained(), 16)):
        aspects = list(WORDS) if squares else ["name", "color", "size", "side"]
        ids = torch.cat(list(word_ids(tiny.processor.tokenizer, aspects).values()))
        assert len(ids) == len(set(ids.tolist())) == len(NAMES) + len(COLORS) + 4 + squares  # 4: sizes and sides
    with pytest.raises(ValueError, match="heart.* with several tokens"):
        word_ids(tiny_llava().processor.tokenizer)


def test_a_run_that_stopped_between_its_stages_goes_on_as_if_it_had_not(tmp_path, monkeypatch):
    monkeypatch.setattr(llava_boxes, "held_out", lambda world, count, seed=0: held_out(world, 1, seed))
    monkeypatch.setattr("studies.toy_bases.measure.LONGEST_BOX", 4)

    def trained(out, **more):
        tiny = llava_boxes.untrained()
        curves = llava_boxes.train_on(tiny, out, 7, batch_size=2, log_every=2, **more)
        points = {stage: [(point.step, point.values) for point in curve] for stage, curve in curves.items()}
        return tiny.model.state_dict(), points

    whole, curves = trained(tmp_path / "whole")
    shutil.copytree(tmp_path / "whole" / "boxes", tmp_path / "stopped" / "boxes")
    resumed, again = trained(tmp_path / "stopped", resume=True)
    assert all(torch.equal(resumed[name], weight) for name, weight in whole.items())
    assert curves["boxes"] and again == curves


@pytest.fixture(scope="module")
def few_steps(tmp_path_factory):
    """The bases after a few steps: Kosmos-2 with a tower of its own, the others with that one and the shipped one. Few scenes are
    looked at."""
    out = tmp_path_factory.mktemp("bases")
    sizes = "--align-steps 2 --steps 5 --batch-size 2 --log-every 4 --measure 2 --threads 1 --seed 7".split()
    with pytest.MonkeyPatch.context() as patch:
        for base in (kosmos2, llava, llava_boxes):
            patch.setattr(base, "start", partial(base.start, scenes=8))
        for module in (kosmos2, llava, llava_boxes, tower, alignment):
            patch.setattr(module, "held_out", lambda world, count, seed=0: held_out(world, min(count, 3), seed))
        patch.setattr("studies.toy_bases.measure.LONGEST_BOX", 4)
        assert main(["kosmos2", "--out", str(out / "kosmos2"), "--tower-steps", "2", *sizes]) == 0
        assert main(["llava", "--out", str(out / "llava"), "--tower", str(out / "kosmos2"), *sizes]) == 0
        assert main(["llava_boxes", "--out", str(out / "llava_boxes"), "--tower", "toy:kosmos2", *sizes]) == 0
    return out


@pytest.mark.parametrize("base", ["kosmos2", "llava", "llava_boxes"])
def test_a_few_steps_give_a_folder_that_loads_with_a_card_that_tells(base, few_steps):
    folder = few_steps / base / "base"
    backend = load(folder)
    assert backend.model.config.model_type in ("kosmos-2", "llava")
    card = (folder / "README.md").read_text()
    assert "| seed | 7 |" in card and "--steps 5" in card and "Held-out scenes" in card
    assert "tower not included" in card
    curves = json.loads((folder / "curves.json").read_text())
    assert curves["tower"][-1]["step"] == (1600 if base == "llava_boxes" else 2)
    assert [point["step"] for point in curves["alignment"]] == [2]
    assert len(curves[{"kosmos2": "boxes", "llava": "answers", "llava_boxes": "boxes"}[base]]) <= 1
    assert (folder / "model.safetensors").stat().st_size < 8e6
    assert backend.generate([Request("<grounding><phrase>the ring</phrase><object>", held_out(HARD, 1)[0].image())])


def test_a_folder_without_a_tower_is_refused(tmp_path, capsys):
    assert main(["llava", "--out", str(tmp_path / "none"), "--tower", str(tmp_path / "nothing"), "--threads", "1"]) == 2
    assert "pass the --out folder of a run that trained a tower" in capsys.readouterr().err
