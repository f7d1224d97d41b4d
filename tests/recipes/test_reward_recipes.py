# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Training by rewards and its plain baseline: they measure before and after, go on after a kill, and refuse in words."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch

from promvil_hf.backends.base import Decoding, Request
from promvil_hf.backends.loading import load
from promvil_hf.commands import train_grpo, train_sft
from promvil_hf.commands.train_grpo import score_of, toy_rows
from promvil_hf.fivl.twins import key_boxes
from promvil_hf.training import run_training
from promvil_hf.training.answer_probabilities import AnswerProbabilities, answer_log_probs
from promvil_hf.training.plain_sft import examples
from promvil_hf.training.reward_rows import PromptMaker, prompt_rows
from promvil_hf.training.run_training import run_as_script


pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning", "ignore:.*checkpointing:FutureWarning")
RECIPES = Path(__file__).resolve().parents[2] / "recipes"
GRPO, SFT = (str(RECIPES / "toy" / f"{name}.yaml") for name in ("grpo", "sft"))
SHORT = ["--rows", "toy:4:1", "--eval_rows", "toy:2:1000", "--logging_steps", "1", "--disable_tqdm", "true"]
TWO_STEPS = ["--max_steps", "2", "--warmup_steps", "0"]  # a step of a warm-up changes next to nothing


@pytest.fixture(scope="module")
def llava():
    torch.set_num_threads(1)
    return load("toy:llava", device="cpu")


@pytest.fixture(scope="module")
def rows():
    return list(toy_rows(4, 5))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Two steps by two rewards, with a checkpoint after each, and what was printed."""
    folder, printed = tmp_path_factory.mktemp("grpo"), StringIO()
    with redirect_stdout(printed):
        run = train_grpo.train([
            "--config", GRPO, *SHORT, *TWO_STEPS, "--save_strategy", "steps", "--save_steps", "1", "--rewards", "answer",
            "reliance", "--per_device_train_batch_size", "8", "--num_generations", "4", "--output_dir", str(folder),
        ])  # fmt: skip
    return run, printed.getvalue(), folder


def test_a_run_measures_held_out_answers_before_and_after_and_leaves_a_checkpoint_that_loads(whole):
    run, printed, folder = whole
    assert run.state.global_step == 2 and "rewards: answer_reward, reliance_reward" in printed
    held = json.loads((folder / "held_out.json").read_text())
    assert {"before", "after"} == held.keys() and held["before"]["clusters"] == 2
    assert f"held-out answers after: {held['after']['estimate']:.3f}" in printed and "reward " in printed
    logged = [entry["rewards/reliance_reward/mean"] for entry in run.state.log_history if "reward" in entry]
    assert len(logged) == 2 and all(value is None or -1 <= value <= 1 for value in logged)
    assert load(folder, device="cpu").dialect == load("toy:llava", device="cpu").dialect
    assert "grpo" in (folder / "README.md").read_text()


def test_a_run_that_was_killed_goes_on_from_its_last_whole_checkpoint_as_if_it_had_not_been(whole, tmp_path):
    run, _, folder = whole
    shutil.copytree(folder, tmp_path / "a")
    (tmp_path / "a" / "checkpoint-2" / "whole.json").unlink()  # killed while it saved
    again = train_grpo.train([
        "--config", GRPO, *SHORT, *TWO_STEPS, "--save_strategy", "no", "--rewards", "answer", "reliance",
        "--per_device_train_batch_size", "8", "--num_generations", "4", "--output_dir", str(tmp_path / "a"),
        "--resume_from_checkpoint", "true",
    ])  # fmt: skip
    names = ("reward", "loss", "grad_norm", "rewards/reliance_reward/mean", "entropy")
    ends = [[[entry[name] for name in names] for entry in one.state.log_history if "reward" in entry][1:] for one in (run, again)]
    assert len(ends[0]) == 1 and ends[0] == ends[1]
    for name, weight in run.model.named_parameters():
        assert torch.equal(weight, again.model.get_parameter(name)), name


def test_each_epoch_has_another_order_which_the_epoch_alone_decides(whole):
    run, *_ = whole
    sampler, epoch = run._get_train_sampler(), run.state.epoch
    orders = []
    for number in (0, 1, 0):
        run.state.epoch = float(number)
        orders.append(list(sampler))
    run.state.epoch = epoch
    assert orders[0] == orders[2] != orders[1]
    assert list(run._get_train_sampler()) is not None and len(orders[0]) == len(orders[1])


def test_plain_sft_is_the_baseline_on_the_same_rows(tmp_path, capsys):
    run = train_sft.train(["--config", SFT, *SHORT, "--max_steps", "1", "--output_dir", str(tmp_path)])
    printed = capsys.readouterr().out
    assert run.state.global_step == 1 and "held-out answers after" in printed and "loss " in printed
    assert {"before", "after"} == json.loads((tmp_path / "held_out.json").read_text()).keys()


def test_plain_sft_takes_conversations_that_convert_wrote(tmp_path, llava):
    from promvil_hf.box_formats import GroundedImage, to_conversation
    from promvil_hf.boxes import Box
    from promvil_hf.phrases import GroundedPhrase

    phrases = (GroundedPhrase("the cup", (Box(0.1, 0.1, 0.5, 0.5),)), GroundedPhrase("the dog", (Box(0.2, 0.2, 0.4, 0.9),)))
    row = to_conversation(GroundedImage("a.png", (64, 64), phrases), llava.dialect)
    found = examples([row], PromptMaker("phrases", llava.dialect))
    assert [example.answer for example in found] == ["[0.10, 0.10, 0.50, 0.50]", "[0.20, 0.20, 0.40, 0.90]"]
    assert "<image>" not in found[0].prompt and "the cup" in found[0].prompt
    with pytest.raises(ValueError, match="can be trained as questions: they need `conversations`"):
        examples([{"image": "a.png"}], PromptMaker("questions", llava.dialect))


@pytest.mark.parametrize("module, recipe", [(train_grpo, GRPO), (train_sft, SFT)])
def test_kosmos2_is_refused_in_a_sentence(module, recipe, tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        run_as_script(module.train, ["--config", recipe, *SHORT, "--model", "toy:kosmos2", "--output_dir", str(tmp_path)])
    said = capsys.readouterr().err
    assert left.value.code == 2 and "You passed Kosmos-2: trl shows pictures by a chat template" in said
    assert "Train it with recipes/train_kosmos2.py" in said


@pytest.mark.parametrize(
    "words, message",
    [
        (["--rewards", "iou"], "rewards=iou with task=questions: answer, twin, reliance are for questions"),
        (["--rewards", "answer", "--reward_weights", "1", "2"], "2 reward_weights for 1 rewards: give one each"),
        (["--bf16", "true", "--use_cpu", "false"], "This machine has no GPU, and the recipe asks for bf16"),
        (["--show_labels", "2"], "which trl's trainers cannot show"),
        (["--task", "chains", "--rewards", "refusal"], "of which 0% have no box"),
        (["--question_prompt", "Say it."], "it needs {text}, where the question stands"),
    ],
)
def test_what_cannot_work_is_refused_in_words(words, message, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("torch.accelerator.is_available", lambda check_available=False: False)
    with pytest.raises(SystemExit):
        run_as_script(train_grpo.train, ["--config", GRPO, *SHORT, *words, "--output_dir", str(tmp_path)])
    assert message in capsys.readouterr().err


def test_a_dry_run_says_prompts_answers_and_rewards(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(run_training, "load_base", None)
    train_grpo.train(["--config", GRPO, *SHORT, "--output_dir", str(tmp_path / "out"), "--dry-run", "--rewards", "twin"])
    said = capsys.readouterr().out
    assert "answers each, rewards twin, by 1 process" in said and "Nothing was trained" in said
    assert not (tmp_path / "out").exists()


# Prompts and probabilities


def test_questions_become_prompts_about_the_picture_as_it_is_and_hidden(llava, rows):
    maker = PromptMaker("questions", llava.dialect, twins=True, prompt="{text} Answer.")
    prompts = maker.of_rows(rows)
    kinds = [prompt.twin for prompt in prompts]
    assert kinds.count("key boxes") == kinds.count("random boxes") == sum(bool(key_boxes(p.question)) for p in prompts) / 3
    data = prompt_rows(rows, maker)
    shown = {prompt.twin: data[number] for number, prompt in enumerate(prompts[:3])}
    assert shown["original"]["prompt"][0]["content"].endswith("? Answer.") and shown["original"]["answers"]
    x0, y0, x1, y1 = key_boxes(prompts[0].question)[0]
    hidden = {twin: np.asarray(row["image"])[y0:y1, x0:x1].max() for twin, row in shown.items()}
    assert hidden["key boxes"] == 0 < hidden["original"]
    assert np.asarray(shown["original"]["image"]).tobytes() == np.asarray(rows[0]["image"]).tobytes()


def test_phrases_become_prompts_with_the_boxes_of_their_evidence(llava, rows):
    alone, known = (PromptMaker("phrases", llava.dialect, evidence=evidence).of_rows(rows) for evidence in (False, True))
    assert all(prompt.columns["evidence"] == [] for prompt in alone) and all(prompt.columns["boxes"] for prompt in alone)
    assert len(known) >= len(alone)
    chains = PromptMaker("chains", llava.dialect).of_rows(rows)
    assert len(chains) == len(rows) and all(step["text"] in chains[0].text for step in chains[0].columns["steps"])
    size = {"image": rows[0]["image"], "phrase": "the dragon", "boxes": []}
    (absent,) = PromptMaker("phrases", llava.dialect).of_rows([size])
    assert absent.columns["boxes"] == [] and "the dragon" in absent.text
    with pytest.raises(ValueError, match="can be asked as questions: they need `turns`"):
        prompt_rows([size], PromptMaker("questions", llava.dialect))


def test_the_probability_of_an_answer_is_that_with_which_the_model_gives_it(llava, rows):
    maker = PromptMaker("questions", llava.dialect)
    prompts = maker.of_rows(rows)[:6]
    requests = [Request(prompt.text, rows[prompt.row]["image"]) for prompt in prompts]
    said = llava.generate(requests, Decoding(max_new_tokens=4))
    found = answer_log_probs(llava, [(request, answer.tokens) for request, answer in zip(requests, said, strict=True)])
    assert found.tolist() == pytest.approx([sum(answer.log_probs) for answer in said], abs=1e-4)
    probabilities = AnswerProbabilities(llava, maker)
    columns = {"completion_ids": [answer.tokens for answer in said] * 2, "row": [prompt.question for prompt in prompts] * 2,
               "image": [request.image for request in requests] * 2}  # fmt: skip
    answers = probabilities(**columns, twin=["original"] * 12)
    assert answers[:6] == answers[6:]  # asked once, said twice
    for answer, prompt, log_prob in zip(answers, prompts, found.tolist(), strict=False):
        if not key_boxes(prompt.question):
            assert answer is None
        else:
            assert answer[0] == pytest.approx(np.exp(log_prob), abs=1e-4)
    assert probabilities(**columns, twin=["key boxes"] * 12) == [None] * 12
    lost = np.mean([answer[0] - answer[1] for answer in answers if answer], dtype=float)
    elsewhere = np.mean([answer[0] - answer[2] for answer in answers if answer], dtype=float)
    assert lost > elsewhere  # this base looks


def test_trl_reads_the_prompt_that_backends_read(llava, rows):
    maker = PromptMaker("questions", llava.dialect)
    prompt = maker.of_rows(rows)[0]
    ours = llava.inputs([Request(prompt.text, rows[0]["image"])])["input_ids"][0].tolist()
    content = [{"type": "image", "image": rows[0]["image"]}, {"type": "text", "text": prompt.text}]
    theirs = llava.processor.apply_chat_template(
        conversation=[[{"role": "user", "content": content}]], add_generation_prompt=True, tokenize=True, return_dict=True
    )["input_ids"][0]
    assert ours == list(theirs)


def test_boxes_that_are_special_tokens_are_decoded_again(llava):
    class DropsSpecialTokens:
        def __call__(self, text, add_special_tokens):
            return {"input_ids": [1]}

        def decode(self, ids, skip_special_tokens):
            return ""

    assert train_grpo._drops_boxes(DropsSpecialTokens(), llava.dialect, [])
    assert not train_grpo._drops_boxes(llava.processor.tokenizer, llava.dialect, [])


def test_scores_of_held_out_answers_are_those_of_the_rewards(llava):
    score = score_of("phrases", "gqa", llava.dialect)
    columns = {"boxes": [[0.1, 0.1, 0.5, 0.5]], "image_size": [64, 64]}
    assert score("[0.10, 0.10, 0.50, 0.50]", columns) == 1.0 and score("[0.60, 0.60, 0.90, 0.90]", columns) == 0.0
    assert score("none", {**columns, "boxes": []}) == 1.0
    assert score_of("questions", "gqa", llava.dialect)("Red.", {"answers": ["red"]}) == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("script, recipe", [("train_grpo", GRPO), ("train_sft", SFT)])
def test_the_toy_recipes_run_under_accelerate_launch(script, recipe, tmp_path):
    """`python -m pytest tests/recipes/test_reward_recipes.py -m slow`"""
    done = subprocess.run(
        [sys.executable, "-m", "accelerate.commands.launch", f"recipes/{script}.py", "--config", recipe, *SHORT,
         "--max_steps", "1", "--output_dir", str(tmp_path)],
        cwd=RECIPES.parent, capture_output=True, text=True, timeout=600, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "1 process on cpu" in done.stdout and "held-out answers after" in done.stdout
