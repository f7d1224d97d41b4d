# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What the engine does with many queries: nothing is lost, nothing is asked twice, memory is bounded. That its answers are
those of the plain loop is another law (`tests/laws/test_grounding_equals_naive.py`)."""

import io
import random
import struct
import zlib

import huggingface_hub.constants
import numpy as np
import pytest
import torch
from PIL import Image

from promvil_hf.backends.base import Decoding, Generated
from promvil_hf.backends.endpoint import EndpointBackend
from promvil_hf.backends.kosmos2 import Kosmos2Backend
from promvil_hf.backends.patch_tokens import PatchTokenBackend
from promvil_hf.backends.stops import complete_json
from promvil_hf.boxes import Box, Point
from promvil_hf.dialects import Kosmos2, MolmoPoints, QwenJson
from promvil_hf.endpoint import Endpoint
from promvil_hf.grounding import GroundingOptions, ProgressiveGrounder, Query
from promvil_hf.grounding.trace import GroundingTrace
from promvil_hf.toy import models
from tests.unit import misbehaving_endpoint as misbehaving


TEXTS = ["dog", "a man in a hat", "the woman holding an umbrella", "the man next to the woman holding an umbrella"]
ONE_BOX = GroundingOptions(constrained=True, max_boxes=1)


def noise(seed, size=(30, 20)):
    generator = np.random.default_rng(seed)
    return Image.fromarray(generator.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def backend():
    tiny = models.tiny_kosmos2()
    return Kosmos2Backend(tiny.model, tiny.processor)


class SameAnswer:
    """A backend that answers every prompt with the same text and remembers what it was asked."""

    def __init__(self, text="<patch_index_0000><patch_index_0400></object>", dialect=None):
        self.dialect, self.text, self.asked = dialect or Kosmos2(), text, []

    def generate(self, requests, decoding=Decoding()):  # noqa: B008
        self.asked.append([request.prompt for request in requests])
        return [Generated(self.text, (), (), "end") for _ in requests]

    def token_boxes(self, inputs, image_sizes):
        return None


def vision_rows(model):
    """How many pictures go through the vision tower while the list is looked at."""
    rows = []
    model.vision_model.register_forward_hook(
        lambda module, args, kwargs, out: rows.append(len(kwargs["pixel_values"])), with_kwargs=True
    )
    return rows


def test_each_picture_is_read_once_wherever_its_queries_stand_and_order_is_kept(backend, tmp_path):
    pictures = [noise(seed) for seed in range(3)]
    pictures[1].save(tmp_path / "one.png")
    # The same pixels as an object, a copy, a path and bytes are one picture.
    sources = [
        pictures[0],
        tmp_path / "one.png",
        pictures[1],
        str(tmp_path / "one.png"),
        (tmp_path / "one.png").read_bytes(),
        pictures[2],
    ]
    queries = [Query(source, text, id=f"{number} {text}") for text in TEXTS for number, source in enumerate(sources)]
    rows = vision_rows(backend.base)
    grounder = ProgressiveGrounder(backend, ONE_BOX)
    traces = grounder.ground_all(queries)
    assert sum(rows) == grounder.pictures_read == 3
    assert [trace.id for trace in traces] == [query.id for query in queries]
    assert all(trace.ok and trace.image_size == (30, 20) for trace in traces)


def test_a_prompt_about_a_picture_is_asked_once_and_the_others_remember():
    same_answer = SameAnswer()
    grounder = ProgressiveGrounder(same_answer)
    picture, other = noise(1), noise(2)
    texts = ["the man with a hat", "the dog with a hat", "the man with a hat"]
    traces = grounder.ground_all([(picture, text) for text in texts] + [(other, texts[0])])
    hats = [trace.steps[0] for trace in traces]
    assert [step.source for step in hats] == ["model", "memory", "memory", "model"]
    assert [trace.steps[1].source for trace in traces] == ["model", "model", "memory", "model"]
    assert [len(asked) for asked in same_answer.asked] == [2, 3]  # one call a level, across expressions and pictures
    assert hats[1].seconds == 0 < hats[0].seconds
    assert {step.boxes for step in hats} == {same_answer.dialect.parse(same_answer.text).boxes}


def test_results_stream_in_order_and_as_they_finish(backend):
    grounder = ProgressiveGrounder(backend, ONE_BOX)
    picture, pulled = noise(3), []

    def queries():
        for number in range(12):
            pulled.append(number)
            yield Query(noise(number // 2), TEXTS[-1 - number % 4], id=str(number))

    stream = grounder.stream(queries(), window=4)
    assert next(stream).id == "0"
    assert len(pulled) <= 6, "a window ends where the picture changes"
    assert [trace.id for trace in stream] == [str(number) for number in range(1, 12)]
    finished = list(grounder.as_finished([(picture, TEXTS[-1]), (picture, " "), (picture, "dog")]))
    assert [index for index, _ in finished] == [1, 2, 0]  # no result, one level, three levels
    with pytest.raises(ValueError, match="window=0"):
        list(grounder.stream([], window=0))
    assert grounder.ground_all([]) == []


def test_a_bar_counts_the_queries_where_one_is_asked_for(backend, capsys):
    grounder, queries = ProgressiveGrounder(backend, ONE_BOX), [(noise(3), "dog"), (noise(4), " ")]
    grounder.ground_all(queries)
    assert capsys.readouterr().err == "", "no bar off a terminal"
    grounder.ground_all(queries, progress=True)
    assert "2/2" in capsys.readouterr().err


def test_memory_stays_within_the_budget(backend):
    queries = [(noise(number % 5), text) for number, text in enumerate(TEXTS * 4)]
    peaks = {}
    for budget in (400, 1000, 100_000):
        grounder = ProgressiveGrounder(backend, ONE_BOX, token_budget=budget)
        grounder.ground_all(queries)
        peaks[budget] = grounder.most_slots
        assert grounder.most_slots <= budget
    assert peaks[400] < peaks[100_000]


def test_memory_stays_within_the_budget_where_pictures_grow():
    tiny = models.tiny_qwen2_5_vl(max_pixels=224 * 224)
    backend = PatchTokenBackend(tiny.model, tiny.processor)
    sides = (56, 56, 112, 168, 56, 224, 224)  # 21, 69, 149 and 261 tokens
    pictures = [noise(number, (side, side)) for number, side in enumerate(sides)]
    queries = [Query(picture, text) for picture in pictures for text in TEXTS[:2]]
    options = GroundingOptions(max_new_tokens=4)
    whole = ProgressiveGrounder(backend, options)
    wanted = [trace.steps[-1].tokens for trace in whole.ground_all(queries)]
    tight = ProgressiveGrounder(backend, options, token_budget=600)
    assert [trace.steps[-1].tokens for trace in tight.ground_all(queries)] == wanted
    assert tight.most_slots <= 600 < whole.most_slots
    assert tight.pictures_read == len(sides), "what did not fit was read once, later"
    # One that the processor refuses among them: each is then shown by itself, and the same law holds.
    refused = [Query(noise(9, (2, 600)), text) for text in TEXTS[:2]]
    again = ProgressiveGrounder(backend, options, token_budget=600)
    traces = again.ground_all([*queries[:6], *refused, *queries[6:]])
    assert {trace.reason.partition(":")[0] for trace in traces[6:8]} == {"picture refused"}
    assert [trace.steps[-1].tokens for trace in traces[:6] + traces[8:]] == wanted
    assert again.most_slots <= 600 and again.pictures_read == len(sides)


def test_oracle_boxes_go_into_prompts_and_are_never_asked_for():
    same_answer, box = SameAnswer(), Box(0.5, 0.5, 1.0, 1.0)
    grounder = ProgressiveGrounder(same_answer, GroundingOptions("oracle"))
    query = Query(noise(1), "the man with a hat and a bag", boxes={"a hat": [box]})
    (trace,) = grounder.ground_all([query])
    assert [(step.phrase, step.source, step.reason) for step in trace.steps] == [
        ("a hat", "given", None),
        ("a bag", "", "no box given"),
        ("the man with a hat and a bag", "model", None),
    ]
    assert trace.steps[-1].fed == (0,) and "<patch_index_0528><patch_index_1023>" in trace.steps[-1].prompt
    assert sum(map(len, same_answer.asked)) == 1


def test_a_question_is_answered_with_its_things_located(backend):
    same_answer = SameAnswer("<patch_index_0000><patch_index_0400></object> yes.")
    grounder = ProgressiveGrounder(same_answer)
    trace = grounder.answer(noise(1), "Is the man next to the dog wearing a hat?")
    assert trace.task == "answer" and trace.boxes == ()
    assert [step.level for step in trace.steps] == [1, 1, 2, 3]
    assert trace.steps[-1].fed == (1, 2) and trace.steps[-1].answer == same_answer.text
    assert trace.answer == "yes"
    real = ProgressiveGrounder(backend, GroundingOptions(constrained=True, max_boxes=1, max_answer_tokens=4))
    answers = real.ground_all([Query(noise(1), "Is it red?", "answer"), Query(noise(1), "a dog")])
    assert answers[0].answer is not None and answers[1].answer is None and answers[1].boxes


@pytest.mark.parametrize(
    "text, answer", [(" Yes. The man", "Yes"), ("yes", "yes"), ("<phrase>a dog</phrase>.", "a dog"), ("", "")]
)
def test_an_answer_ends_at_its_first_period_and_loses_no_letter_without_one(text, answer):
    trace = ProgressiveGrounder(SameAnswer(text)).answer(noise(1), "Is it red?")
    assert trace.answer == answer
    assert trace.reason == (None if answer else "no answer")


def test_any_backend_serves_and_a_reason_of_its_own_is_passed_on():
    answer = '```json\n[{"bbox_2d": [100, 200, 300, 400], "label": "a dog"}]\n```'
    trace = ProgressiveGrounder(SameAnswer(answer, QwenJson())).ground(noise(1), "the man with a dog")
    assert trace.boxes == (Box(0.1, 0.2, 0.3, 0.4),) and trace.score is None

    class Down(SameAnswer):
        def generate(self, requests, decoding=Decoding()):  # noqa: B008
            return [Generated("", (), (), "rate limited") for _ in requests]

    trace = ProgressiveGrounder(Down()).ground(noise(1), "a dog")
    assert trace.reason == "rate limited" and trace.steps[0].reason == "rate limited"


@pytest.mark.parametrize(
    "answer, reason, ok",
    [
        ("null", "refused", True),
        ("I cannot say.", "no box", False),
        ('[{"bbox_2d": [1, 2', "truncated", False),
        ('<think>[{"bbox_2d": [1, 2, 3, 4]}]</think>None.', "refused", True),
    ],
)
def test_a_trace_tells_a_refusal_from_no_box_and_from_what_cannot_be_read(answer, reason, ok):
    trace = ProgressiveGrounder(SameAnswer(answer, QwenJson())).ground(noise(1), "the dog")
    assert (trace.reason, trace.ok, trace.refused) == (reason, ok, reason == "refused")
    again = GroundingTrace.from_dict(trace.to_dict())
    assert (again.reason, again.steps[0].reason, again.refused) == (reason, reason, trace.refused)
    assert reason in str(trace)


def test_a_dialect_that_points_gives_points_in_the_trace():
    answer = '<points coords="1 1 250 500">dog</points>'
    trace = ProgressiveGrounder(SameAnswer(answer, MolmoPoints())).ground(noise(1), "the dog with a hat")
    assert trace.ok and trace.steps[-1].points == (Point(0.25, 0.5),) and trace.boxes == ()
    assert GroundingTrace.from_dict(trace.to_dict(times=False)).steps[-1].points == trace.steps[-1].points
    assert "(0.250, 0.500)" in str(trace)


def test_a_served_model_is_grounded_level_by_level_and_its_failures_are_reasons(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    with misbehaving.misbehaving_endpoint() as server:
        backend = EndpointBackend(Endpoint(server.url, "tiny", tmp_path, api_key="a key", attempts=1), QwenJson())
        server.scripts = {backend.dialect.prompt("hat", level=1): ["503"]}
        traces = ProgressiveGrounder(backend).ground_all([(noise(1), "the man with the hat"), (noise(1), "the hat")])
    assert [[step.reason for step in trace.steps] for trace in traces] == [["server error", "no box"], ["no box"]]
    assert server.requests.total() == 3  # "hats", the man, and the hat as it is asked alone


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl", "llava", "paligemma"])
def test_progressive_grounding_runs_on_patch_token_families(family):
    tiny = getattr(models, f"tiny_{family}")()
    backend = PatchTokenBackend(tiny.model, tiny.processor)
    grounder = ProgressiveGrounder(backend, GroundingOptions(max_new_tokens=4))
    traces = grounder.ground_all([(noise(1, (40, 30)), "the man with a dog"), (noise(2, (40, 30)), "a cat")])
    assert [len(trace.steps) for trace in traces] == [2, 1]
    assert all(step.reason and step.ended for trace in traces for step in trace.steps)


def test_a_json_answer_is_complete_where_its_first_value_closes():
    tokenizer = models.tiny_qwen3_vl().processor.tokenizer
    done = complete_json(tokenizer)
    text = 'Sure: [{"bbox_2d": [1, 2, 3, 4], "label": "a ]} \\" box"}, {"bbox_2d": [5, 6, 7, 8]}] and [more]'
    tokens = tokenizer(text)["input_ids"]
    first = next(count for count in range(1, len(tokens) + 1) if done(tokens[:count]))
    assert tokenizer.decode(tokens[:first]).rstrip() == text[: text.index(" and")]


# Hostile input


def hostile_texts(count):
    draw = random.Random(11)
    pieces = [
        "<object>", "</object>", "<phrase>", "</phrase>", "<grounding>", "<image>", "</s>", "<s>", "<pad>",
        "<patch_index_0001>", "</delimiter_of_multi_objects/>", "\x00", "\x07", "\x1b[31m", "\u202e", "\ufeff", "\n", "\t",
        "😀", "👩‍👩‍👧", "数学の本", "الرجل", "мужчина", "𝕏", "́", "ｆｕｌｌ",
        "the man", "with", "a hat", "next to", "and", "the", "of", "'s", '"', "\\", "{}", "[0.1, 0.2]", "%s", "...", "?",
    ]  # fmt: skip
    fixed = [
        "",
        " ",
        "\n\t",
        "a" * 10_000,
        "the man with the hat of " * 420,
        "\ud800",
        "?!",
        "<object>",
        "😀" * 300,
        "a " * 900,
    ]
    made = [
        "".join(draw.choice(pieces) + draw.choice(["", " "]) for _ in range(draw.randint(1, 12))) for _ in range(count)
    ]
    return (fixed + made)[:count]


@pytest.mark.parametrize("task", ["ground", "answer"])
def test_of_300_hostile_texts_none_is_lost_and_each_has_a_result_or_a_reason(backend, task):
    texts = hostile_texts(300)
    queries = [Query(noise(number % 4), text, task, str(number)) for number, text in enumerate(texts)]
    options = GroundingOptions(constrained=True, max_boxes=1, max_answer_tokens=2)
    traces = ProgressiveGrounder(backend, options).ground_all(queries)
    assert [trace.id for trace in traces] == [str(number) for number in range(300)]
    reasons = [trace.reason for trace in traces[:6]]
    assert reasons == ["blank text"] * 3 + ["text too long for the model"] * 2 + ["not Unicode text"]
    for trace in traces:
        result = trace.boxes if task == "ground" else trace.answer
        assert bool(result) != bool(trace.reason), trace
    if task == "ground":
        assert sum(trace.ok for trace in traces) > 270 and max(len(trace.steps) for trace in traces) > 5
    tags = "<object>", "<image>", "</s>", "<patch_index_0001>"
    for step in (step for trace in traces for step in trace.steps if trace.task == "ground"):
        asked = step.prompt.rpartition("<phrase>")[2].partition("</phrase>")[0]
        assert not any(tag in asked for tag in tags), asked


def png(size, header_size=None):
    """A picture file, which may lie about its size."""
    file = io.BytesIO()
    noise(5, size).save(file, "png")
    data = bytearray(file.getvalue())
    if header_size:
        data[16:24] = struct.pack(">II", *header_size)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


def test_broken_pictures_give_reasons_and_odd_ones_results(backend, tmp_path):
    def saved(image, form, **options):
        file = io.BytesIO()
        image.save(file, form, **options)
        return file.getvalue()

    odd = {
        "1x1": saved(noise(1, (1, 1)), "png"),
        "thin": saved(noise(1, (1, 300)), "png"),
        "CMYK": saved(noise(1).convert("CMYK"), "jpeg"),
        "16 bit": saved(Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30) * 100), "png"),
        "animated": saved(noise(1), "gif", save_all=True, append_images=[noise(2), noise(3)]),
        "palette with a hole": saved(noise(1).convert("P"), "png", transparency=0),
        "grey with alpha": saved(noise(1).convert("LA"), "png"),
        "one bit": saved(noise(1).convert("1"), "png"),
        "undecoded, as datasets gives it": {"bytes": png((9, 9)), "path": None},
    }
    broken = {
        "truncated": (saved(noise(1, (300, 300)), "jpeg")[:2000], "damaged picture"),
        "cut png": (png((40, 40))[:100], "damaged picture"),
        "text": (b"hello", "not a picture"),
        "empty": (b"", "not a picture"),
        "no file": (tmp_path / "none.png", "no such file"),
        "folder": (tmp_path, "damaged picture"),
        "None": (None, "no picture: NoneType"),
        "bomb": (png((8, 8), (40_000, 40_000)), "too many pixels"),
        "large bomb": (png((8, 8), (12_000, 12_000)), "too many pixels"),
        "header lies": (png((8, 8), (900, 900)), "damaged picture"),
    }
    queries = [Query(source, "the dog", id=name) for name, source in odd.items()]
    queries += [Query(source, "the dog", id=name) for name, (source, _) in broken.items()]
    random.Random(2).shuffle(queries)
    traces = ProgressiveGrounder(backend, ONE_BOX).ground_all(queries)
    assert [trace.id for trace in traces] == [query.id for query in queries]
    by_name = {trace.id: trace for trace in traces}
    for name in odd:
        assert by_name[name].boxes, (name, by_name[name].reason)
    for name, (_, reason) in broken.items():
        assert by_name[name].reason.startswith(reason), (name, by_name[name].reason)
        assert by_name[name].steps == ()


def test_a_16_bit_picture_keeps_its_greys():
    from promvil_hf.images import read_image

    ramp = Image.fromarray(np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, 0))
    assert np.abs(np.asarray(read_image(ramp))[0, :, 0].astype(int) - np.arange(256)).max() <= 1


def test_a_picture_that_the_processor_refuses_harms_no_other():
    tiny = models.tiny_qwen3_vl()
    backend = PatchTokenBackend(tiny.model, tiny.processor)
    grounder = ProgressiveGrounder(backend, GroundingOptions(max_new_tokens=3))
    line = noise(1, (900, 3))  # Qwen takes an aspect ratio of up to 200
    traces = grounder.ground_all([(noise(1, (40, 30)), "a dog"), (line, "a dog"), (noise(2, (30, 40)), "a dog")])
    assert traces[1].reason.startswith("picture refused: ") and "aspect ratio" in traces[1].reason
    assert traces[0].steps and traces[2].steps


def test_a_prompt_beyond_the_context_is_a_reason_of_its_step():
    tiny = models.tiny_kosmos2(context=115)
    backend = Kosmos2Backend(tiny.model, tiny.processor)
    grounder = ProgressiveGrounder(backend, ONE_BOX)
    trace = grounder.ground(noise(1), "the man with a hat and the woman with a bag")
    assert [step.reason for step in trace.steps] == [None, None, "prompt too long", None]
    assert trace.steps[2].fed and trace.steps[3].fed == ()  # with its evidence it was too long; so there is no box to pass on


def test_what_does_not_fit_together_is_refused(backend):
    with pytest.raises(ValueError, match="only Kosmos-2 writes boxes as cells"):
        ProgressiveGrounder(SameAnswer(dialect=QwenJson()), GroundingOptions(constrained=True))
    with pytest.raises(ValueError, match="only Kosmos-2 writes boxes as cells"):
        ProgressiveGrounder(SameAnswer(), GroundingOptions(constrained=True)).ground(noise(1), "a dog")
    with pytest.raises(ValueError, match="token_budget=0"):
        ProgressiveGrounder(backend, token_budget=0)


def test_the_models_mode_and_random_state_do_not_move(backend):
    backend.base.train()
    try:
        state = torch.random.get_rng_state()
        first = ProgressiveGrounder(backend, ONE_BOX).ground(noise(1), TEXTS[2])
        assert backend.base.training and torch.equal(state, torch.random.get_rng_state())
    finally:
        backend.base.eval()
    assert [step.tokens for step in ProgressiveGrounder(backend, ONE_BOX).ground(noise(1), TEXTS[2]).steps] == [
        step.tokens for step in first.steps
    ]


def test_a_grounder_that_outlives_a_training_step_sees_the_new_weights():
    tiny = models.tiny_kosmos2()
    backend = Kosmos2Backend(tiny.model, tiny.processor)
    grounder = ProgressiveGrounder(backend, ONE_BOX)
    before = grounder.ground(noise(1), "a dog").steps[0].tokens
    with torch.no_grad():
        for weight in tiny.model.text_model.parameters():
            weight.copy_(-weight)
    after = grounder.ground(noise(1), "a dog").steps[0].tokens
    assert after == ProgressiveGrounder(backend, ONE_BOX).ground(noise(1), "a dog").steps[0].tokens != before
