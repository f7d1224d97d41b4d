# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Every recipe parses, says how it is launched, and the smoke one trains; accelerate's files are read by accelerate."""

import os
import re
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from functools import partial
from importlib import import_module
from io import StringIO
from pathlib import Path

import pytest
import transformers
import yaml
from accelerate.commands.config import load_config_from_file
from PIL import Image

from promvil_hf.backends.loading import load
from promvil_hf.cli import main as promvil
from promvil_hf.commands import recipe, train_fivl, train_grounding, train_kosmos2
from promvil_hf.grounding import GroundingOptions
from promvil_hf.training import promvil_trainer, run_training
from promvil_hf.training.row_sources import read_source, subset
from promvil_hf.training.run_training import run_as_script


pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft 0.21 asks for it
ROOT = Path(__file__).resolve().parents[2]
ALL = sorted(path for path in (ROOT / "recipes").rglob("*.yaml") if path.parent.name != "accelerate")
ACCELERATE = sorted((ROOT / "recipes" / "accelerate").glob("*.yaml"))
SMOKE = ROOT / "recipes" / "kosmos2" / "smoke.yaml"
KOSMOS2 = sorted((ROOT / "recipes" / "kosmos2").glob("*.yaml"))


@pytest.fixture(autouse=True, scope="module")
def short_answers():
    """A model that has just begun to learn writes as long as it may."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(promvil_trainer, "GroundingOptions", partial(GroundingOptions, max_new_tokens=8))
        yield


def ids(paths):
    return [path.relative_to(ROOT / "recipes").with_suffix("").as_posix() for path in paths]


def settings_of(path, *words):
    """What the recipe's own script makes of it."""
    module = import_module(f"promvil_hf.commands.{recipe.script_of(path)}")
    argv = ["--config", str(path), "--use_cpu", "true", *words]  # bf16 is refused where there is no GPU
    return run_training.settings_of(module.OBJECTIVE, argv)


@pytest.mark.parametrize("path", ALL, ids=ids(ALL))
def test_every_key_of_every_recipe_is_known_and_keeps_its_value(path, tmp_path):
    settings = settings_of(path, "--output_dir", str(tmp_path))
    written = yaml.safe_load(path.read_text())
    for key, value in written.items():
        (owner,) = [part for part in settings if key in type(part).__dataclass_fields__]
        found = getattr(owner, key)
        if key in ("output_dir", "use_cpu"):
            continue
        # report_to: none becomes no tracker, and YAML writes 1e-4 as a word.
        assert found == value or (key == "report_to" and found == []) or float(found) == float(value), key


@pytest.mark.parametrize("path", ALL, ids=ids(ALL))
def test_every_recipe_says_how_it_is_launched_what_it_needs_and_what_comes_out(path):
    text = path.read_text()
    assert all(re.search(rf"^# {word}:", text, re.MULTILINE) for word in ("Launch", "Precondition", "Expected"))
    script = re.search(r"recipes/(\w+)\.py", text)[1]
    assert (ROOT / "recipes" / f"{script}.py").is_file()
    assert path.relative_to(ROOT).as_posix() in text and 20 < len(recipe.about(path)) < 160
    assert recipe.script_of(path) == script


def test_no_more_processes_load_rows_than_there_are_cores(tmp_path, monkeypatch):
    settings = settings_of(ROOT / "recipes" / "kosmos2" / "lora.yaml", "--output_dir", str(tmp_path))
    monkeypatch.setattr(run_training, "cores", lambda: 2)
    monkeypatch.setattr(run_training, "make_trainer", lambda *_: None)
    with pytest.raises(AttributeError):  # it is no trainer
        run_training.train_once(train_kosmos2.OBJECTIVE, settings)
    assert settings.config.dataloader_num_workers == 2


def test_a_recipe_is_refused_by_the_script_it_is_not_for():
    with pytest.raises(ValueError, match="is for the script train_kosmos2, and you passed it to train_fivl: launch"):
        train_fivl.train(["--config", str(SMOKE)])


def test_a_misspelt_key_is_an_error_that_names_it(tmp_path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(SMOKE.read_text() + "\nlerning_rate: 1.0e-3\nlora_rank: 4\n")
    with pytest.raises(ValueError, match="The recipe has keys that nothing knows: lerning_rate, lora_rank. Check their spelling"):
        train_kosmos2.train(["--config", str(wrong)])
    with pytest.raises(ValueError, match="There is no recipe nowhere.yaml: `promvil recipe list`"):
        train_kosmos2.train(["--config", "nowhere.yaml"])


def test_the_lora_recipe_is_the_papers_setting_and_the_command_line_wins(tmp_path):
    path = ROOT / "recipes" / "kosmos2" / "lora.yaml"
    _, adapter, _, _, config = settings_of(path, "--output_dir", str(tmp_path), "--lora_r", "8")
    assert (adapter.lora_scope, adapter.lora_alpha, adapter.lora_dropout, adapter.lora_r) == ("reference", 32, 0.1, 8)
    assert config.learning_rate == 1e-4 and config.warmup_steps == 0.1 and config.num_train_epochs == 1
    assert config.per_device_train_batch_size * config.gradient_accumulation_steps == 4 and config.seed == 5020
    assert settings_of(path.with_name("qlora.yaml")).model.quantize == "nf4"


def test_the_defaults_of_a_script_are_those_of_its_method_and_its_recipe_wins_over_them(tmp_path):
    plain = {
        command: run_training.settings_of(command.OBJECTIVE, ["--use_cpu", "true", "--output_dir", str(tmp_path)])
        for command in (train_kosmos2, train_fivl)
    }
    found = [
        (settings.adapter.lora_scope, settings.adapter.lora_r, settings.model.model, settings.run.licence)
        for settings in plain.values()
    ]
    assert found == [
        ("reference", 64, "microsoft/kosmos-2-patch14-224", "mit"),
        ("text_and_projector", 128, "llava-hf/llava-1.5-7b-hf", "other"),
    ]
    path = ROOT / "recipes" / "llava" / "smoke.yaml"
    assert settings_of(path).adapter.lora_r == 16 and settings_of(path, "--lora_r", "2").adapter.lora_r == 2


@pytest.mark.parametrize("path", ACCELERATE, ids=ids(ACCELERATE))
def test_accelerate_reads_its_configurations(path):
    config = load_config_from_file(str(path))
    kinds = {"single_gpu": "NO", "ddp": "MULTI_GPU", "multi_node": "MULTI_GPU", "fsdp2": "FSDP", "deepspeed_zero2": "DEEPSPEED"}
    assert config.distributed_type == kinds[path.stem] or config.distributed_type.value == kinds[path.stem]
    if path.stem == "fsdp2":
        assert config.fsdp_config["fsdp_version"] == 2
        from transformers.models.kosmos2 import modeling_kosmos2

        for name in config.fsdp_config["fsdp_transformer_layer_cls_to_wrap"].split(","):
            assert hasattr(modeling_kosmos2, name)


# The smoke recipe


def smoke(tmp_path, *words):
    short = ["--max_steps", "20", "--rows", "toy:6", "--eval_rows", "toy:1:1000", "--output_dir", str(tmp_path)]
    return train_kosmos2.train(["--config", str(SMOKE), *short, "--disable_tqdm", "true", *words])


@pytest.fixture(scope="module")
def twenty_steps(tmp_path_factory):
    """A smoke run, what it printed, and its folder with checkpoints on the way."""
    folder, printed = tmp_path_factory.mktemp("smoke"), StringIO()
    with redirect_stdout(printed):
        run = smoke(folder, "--save_steps", "8", "--save_total_limit", "3")
    return run, printed.getvalue(), folder


def test_twenty_steps_of_the_smoke_recipe_learn_and_leave_a_whole_adapter_with_a_filled_card(twenty_steps):
    run, output, folder = twenty_steps
    losses = [entry["loss"] for entry in run.state.log_history if "loss" in entry]
    assert losses[-1] < losses[0] - 1
    assert "LoRA on `reference` trains 119,808 of" in output and "vision 43,008" in output
    assert "1 process on cpu, " in output and "68 adapter tensors" in output and "read back equal" in output
    assert re.search(r"level 3: (\d+) rows, trained \1 times an epoch", output)
    card = (folder / "README.md").read_text()
    for part in ("base_model: toy", "library_name: peft", "license: mit", "rows of toy:6, split", "curriculum: cumulative",
                 "| eval_accuracy |", "trains 119,808 of", "Versions", "transformers "):  # fmt: skip
        assert part in card, part
    *_, evaluated = (entry for entry in run.state.log_history if "eval_loss" in entry)
    assert evaluated["step"] == 20 and evaluated.keys() >= {"eval_accuracy_level_1", "eval_loss_level_1"}
    processor = transformers.AutoProcessor.from_pretrained(folder)  # as a stranger's script does
    shown = processor(images=Image.new("RGB", (60, 40)), text="<grounding>a star", return_tensors="pt")
    assert shown["image_embeds_position_mask"].sum() == run.backend.image_tokens


def test_a_stopped_smoke_run_goes_on_where_it_was(twenty_steps, tmp_path):
    whole, _, folder = twenty_steps
    shutil.copytree(folder, tmp_path / "a")
    shutil.rmtree(tmp_path / "a" / "checkpoint-20")  # as if it had been stopped after 16 steps
    run = smoke(tmp_path / "a", "--save_steps", "8", "--eval_strategy", "no", "--resume_from_checkpoint", "true")
    losses = [[entry["loss"] for entry in each.state.log_history if "loss" in entry] for each in (whole, run)]
    assert run.state.global_step == 20 and len(losses[1]) == 4 and losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_early_stopping_stops(tmp_path):
    run = smoke(tmp_path, "--eval_steps", "2", "--save_steps", "2", "--learning_rate", "0", "--early_stopping", "2",
                "--load_best_model_at_end", "true", "--eval_generate", "0")  # fmt: skip
    assert run.state.global_step < 20


def test_show_labels_prints_what_is_trained_and_trains_nothing(tmp_path, capsys):
    run = smoke(tmp_path, "--show_labels", "2")
    output = capsys.readouterr().out
    assert run.state.global_step == 0 and "text 1: level " in output and "trained text: '<phrase>" in output
    assert "boxes in the text: '" in output


def test_a_dry_run_counts_rows_and_steps_and_loads_no_model(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(run_training, "load_base", None)
    out = tmp_path / "out"
    assert smoke(out, "--dry_run", "true", "--max_steps", "-1", "--num_train_epochs", "2", "--sweep", "lora_r=4,8") is None
    said = capsys.readouterr().out
    rows = int(re.search(r"on (\d+) rows of toy:6, evaluated on", said)[1])
    steps, at_once = map(int, re.search(r"(\d+) steps of (\d+) rows by 1 process, ", said).groups())
    assert steps == 2 * -(-rows // at_once) and "2 runs of this kind: lora_r=4,8" in said
    assert "Nothing was trained" in said and not out.exists()


def test_a_dry_run_of_a_recipe_for_gpus_runs_without_one(tmp_path, capsys):
    recipe_file = recipe.find("qwen3_vl/lora")
    words = ["--config", str(recipe_file), "--rows", "toy:4", "--output_dir", str(tmp_path / "out")]
    assert train_grounding.train([*words, "--dry-run"]) is None
    assert re.search(r"\d+ steps of \d+ rows", capsys.readouterr().out)
    assert run_training.is_dry(["--dry_run=true"]) and not run_training.is_dry(["--dry_run", "false", "--rows", "x"])


def test_a_recipe_with_bf16_is_refused_without_a_gpu_before_a_model_is_loaded(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("torch.accelerator.is_available", lambda check_available=False: False)
    monkeypatch.setattr(run_training, "load_base", None)
    words = ["--config", str(recipe.find("qwen3_vl/lora")), "--rows", "toy:4", "--output_dir", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as left:
        run_as_script(train_grounding.train, words)
    assert left.value.code == 2 and not (tmp_path / "out").exists()
    assert (
        "This machine has no GPU, and the recipe asks for bf16: pass --use_cpu true --bf16 false, or try "
        "`promvil recipe run kosmos2/smoke`." in capsys.readouterr().err
    )
    config = run_training.settings_of(train_grounding.OBJECTIVE, [*words, "--use_cpu", "true", "--bf16", "false"]).config
    assert config.use_cpu and not config.bf16


def test_show_batch_writes_what_the_model_sees_and_trains_nothing(tmp_path, capsys):
    page = tmp_path / "batch.html"
    run = smoke(tmp_path / "out", "--show_batch", str(page))
    assert run.state.global_step == 0 and "what the model sees" in capsys.readouterr().out
    html = page.read_text()
    assert html.count("<figure") >= 6 and "<mark>" in html and "&lt;patch_index_" in html
    assert "pixel_values" in html and "(4, 3, 56, 56)" in html or "3, 56, 56)" in html


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--lora_scope", "vision"], "lora_scope='vision': it is one of reference, text, text_and_projector, feed_forward"),
        (["--quantize", "fp4"], "quantize='fp4': it is one of nf4, int8"),
        (["--dtype", "fp32"], "dtype='fp32': it is one of float32, bfloat16"),
        (["--curriculum", "easy"], "invalid choice: 'easy'"),
        (["--max_step", "3"], "There is no option --max_step. Did you mean --max_steps?"),
        (["--max_stepz=3"], "There is no option --max_stepz. Did you mean --max_steps"),
        (["--early_stopping", "0", "--eval_strategy", "epoch"], "early_stopping=0 with eval_strategy=epoch: it counts"),
        (["--early_stopping", "2", "--eval_strategy", "no"], "Pass eval_strategy=steps or epoch, or leave early_stopping out"),
        (["--system_prompt", "Be kind."], "system_prompt with Kosmos-2. Its texts have no place for it"),
        (["--vision_loss_weight", "0.1"], "vision_loss_weight with Kosmos-2. It sees a picture through latent queries"),
        (["--pad_images", "true"], "pad_images with a Kosmos2Processor: it is for LLaVA-1.5"),
        (["--rows", "toy:x"], "You passed the rows 'toy:x': write toy:200"),
        (["--rows", "nowhere"], "There is no file or folder 'nowhere' with rows"),
        (["--rows", "rows.jsonl"], "There is no file rows.jsonl"),
        (["--fraction", "2"], "a fraction of 2.0: it is a share"),
        (["--max_samples", "0"], "max_samples=0: train on at least one row"),
        (["--resume_from_checkpoint", "true"], "has no whole one. Leave"),
    ],
)
def test_what_the_user_can_mend_is_said_in_a_sentence(tmp_path, capsys, words, message):
    words = ["--config", str(SMOKE), "--rows", "toy:1", "--eval_strategy", "no", "--output_dir", str(tmp_path), *words]
    with pytest.raises(SystemExit) as left:
        run_as_script(train_kosmos2.train, words)
    shown = capsys.readouterr()
    assert left.value.code == 2 and message in shown.err and "Traceback" not in shown.err


def test_a_checkpoint_of_another_family_is_refused_before_its_weights_are_read(tmp_path, capsys):
    (tmp_path / "config.json").write_text('{"model_type": "llava"}')
    with pytest.raises(SystemExit):
        run_as_script(train_kosmos2.train, ["--config", str(SMOKE), "--rows", "toy:1", "--model", str(tmp_path)])
    assert f"You passed the model {tmp_path}, which is of the type 'llava'" in capsys.readouterr().err


@pytest.mark.parametrize("command, name", [(train_kosmos2, "kosmos2"), (train_fivl, "llava")])
def test_each_recipe_trains_the_toy_base_that_is_named_like_a_checkpoint(tmp_path, command, name):
    base, recipe = f"toy:{name}", str(ROOT / "recipes" / name / "smoke.yaml")
    short = "--rows toy:1 --eval_rows toy:1:1000 --eval_strategy no --max_steps 1 --per_device_train_batch_size 1".split()
    run = command.train(["--config", recipe, "--model", base, *short, "--disable_tqdm", "true", "--output_dir", str(tmp_path)])
    assert run.state.global_step == 1 and f"base_model: {base}" in (tmp_path / "README.md").read_text()
    assert load(base, tmp_path).dialect == load(base).dialect  # what was trained is an adapter of it


@pytest.mark.parametrize("command", [train_kosmos2, train_fivl])
def test_a_tracker_that_is_not_installed_is_named_before_anything_is_loaded(tmp_path, capsys, monkeypatch, command):
    monkeypatch.setattr("transformers.integrations.get_available_reporting_integrations", lambda: ["wandb"])
    words = ["--model", "toy", "--rows", "toy:1", "--output_dir", str(tmp_path), "--use_cpu", "true"]
    with pytest.raises(SystemExit):
        run_as_script(command.train, [*words, "--report_to", "trackio"])
    assert "report_to=trackio, which is not installed: pip install trackio, or leave" in capsys.readouterr().err


# Parts


def test_smaller_parts_lie_within_larger_ones():
    rows = list(range(100))
    parts = [set(subset(rows, None, share, 7)) for share in (0.05, 0.2, 0.5, 1.0)]
    assert [len(part) for part in parts] == [5, 20, 50, 100]
    assert all(small < large for small, large in zip(parts, parts[1:], strict=False))
    assert set(subset(rows, 20, None, 7)) == parts[1] and subset(rows, 500) is rows
    assert len(subset(rows, 10, 0.5)) == 10


def test_rows_are_read_from_files_and_folders(tmp_path, shared_data):
    rows = read_source(str(shared_data / "promvil" / "data_sample.json"), "train", None)
    assert len(rows) == 9
    import datasets

    steps = [{"text": "the star", "boxes": [[0.1, 0.1, 0.5, 0.5]], "anchors": [], "mentions": []}]
    table = datasets.Dataset.from_list([{"image_id": "1", "image_path": "a.png", "steps": steps}])
    (tmp_path / "data").mkdir()
    table.to_parquet(tmp_path / "data" / "train.parquet")
    assert len(read_source(str(tmp_path), "train", None)) == 1
    with pytest.raises(ValueError, match="Cannot load the split 'test'"):
        read_source(str(tmp_path), "test", None)


def test_recipes_are_listed_copied_and_run_by_the_command(tmp_path, capsys, monkeypatch):
    assert promvil(["recipe", "list"]) == 0
    listed = capsys.readouterr().out
    assert "kosmos2/lora " in listed and "PromViL on Kosmos-2 with LoRA" in listed
    target = tmp_path / "mine.yaml"
    assert promvil(["recipe", "copy", "kosmos2/smoke", str(target)]) == 0 and target.read_text() == SMOKE.read_text()
    assert promvil(["recipe", "copy", "kosmos2/smoke", str(target)]) == 2
    assert "is there already: name another file" in capsys.readouterr().err
    assert promvil(["recipe", "path", "train_kosmos2.py"]) == 0
    assert capsys.readouterr().out.strip() == str(ROOT / "recipes" / "train_kosmos2.py")
    seen = []
    monkeypatch.setattr(train_kosmos2, "train", seen.append)
    assert promvil(["recipe", "run", str(target), "--lora_r", "4"]) == 0
    assert seen == [["--config", str(target), "--lora_r", "4"]]
    assert promvil(["recipe", "run", "kosmos2/nothing"]) == 2
    assert "There is no recipe 'kosmos2/nothing'" in capsys.readouterr().err
    target.write_text("model: toy\n")
    assert promvil(["recipe", "run", str(target)]) == 2
    assert "does not say what runs it" in capsys.readouterr().err


def test_what_a_script_starts_from_without_a_file_is_what_its_recipe_says(tmp_path):
    """No run starts from transformers' own learning rate because its user passed no file."""
    words = train_fivl.with_recipe(["--use_cpu", "true", "--output_dir", str(tmp_path)])
    bare = run_training.settings_of(train_fivl.OBJECTIVE, words)
    assert train_fivl.with_recipe(["--config", "mine.yaml"]) == ["--config", "mine.yaml"]
    recipe_says = settings_of(ROOT / "recipes" / "llava" / "lora.yaml", "--output_dir", str(tmp_path))
    ours = ("learning_rate", "projector_learning_rate", "lr_scheduler_type", "warmup_steps", "weight_decay", "num_train_epochs",
            "per_device_train_batch_size", "gradient_accumulation_steps", "vision_loss_weight", "max_length")  # fmt: skip
    assert [getattr(bare.config, name) for name in ours] == [getattr(recipe_says.config, name) for name in ours]
    assert bare.adapter == recipe_says.adapter and bare.model.pad_images == recipe_says.model.pad_images
    assert (bare.data.rows, bare.data.view) == (recipe_says.data.rows, recipe_says.data.view)


def test_the_mixture_belongs_to_the_recipe_and_a_folder_keeps_it(tmp_path, capsys):
    import datasets

    steps = [{"text": "the star", "boxes": [[0.1, 0.1, 0.5, 0.5]], "anchors": [], "mentions": []}]
    for view, parts in {"data": ["compovl"], "mixture": ["compovl", "vsr", "vsr"]}.items():
        (tmp_path / view).mkdir()
        rows = [{"image_path": "a.png", "steps": steps, "dataset": part} for part in parts]
        datasets.Dataset.from_list(rows).to_parquet(tmp_path / view / "train.parquet")
    files = {"default": "data/*.parquet", "mixture": "mixture/*.parquet"}
    views = [{"config_name": name, "data_files": pattern} for name, pattern in files.items()]
    (tmp_path / "README.md").write_text(f"---\nconfigs: {views}\n---\n")
    path = ROOT / "recipes" / "kosmos2" / "lora.yaml"
    data = settings_of(path, "--rows", str(tmp_path), "--output_dir", str(tmp_path)).data
    rows = data.training_rows(train_kosmos2.OBJECTIVE.read_rows, 0)
    assert run_training.parts_of(rows) == "compovl 1, vsr 2"
    data.rows = f"{tmp_path}:default"
    assert run_training.parts_of(data.training_rows(train_kosmos2.OBJECTIVE.read_rows, 0)) == "compovl 1"
    assert run_training.parts_of([{"image": 1}]) == ""


def test_a_short_run_on_another_family_learns_and_says_whether_answers_hold_boxes(tmp_path, capsys):
    path = ROOT / "recipes" / "smolvlm" / "smoke.yaml"
    run = train_grounding.train(
        ["--config", str(path), "--max_steps", "6", "--rows", "toy:4", "--eval_rows", "toy:1:1000", "--eval_generate", "2",
         "--output_dir", str(tmp_path), "--disable_tqdm", "true", "--eval_strategy", "no", "--logging_steps", "1"]
    )  # fmt: skip
    output = capsys.readouterr().out
    losses = [entry["lm_loss"] for entry in run.state.log_history if "lm_loss" in entry]
    assert losses[-1] < losses[0] and "vm_loss" in output and "read back equal" in output
    assert "no answer holds a box yet" in output or run.evaluate()["eval_parse_rate"] > 0


# Launchers


def launched(*command, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, timeout=600,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "read back equal" in done.stdout
    return done.stdout


@pytest.mark.slow
def test_the_smoke_recipe_runs_under_accelerate_launch(tmp_path):
    output = launched(
        "accelerate.commands.launch", "recipes/train_kosmos2.py", "--config", str(SMOKE), "--output_dir", str(tmp_path),
        tmp_path=tmp_path,
    )  # fmt: skip
    first, last = map(float, re.search(r"loss ([\d.]+) -> ([\d.]+)", output).groups())
    assert last < 4 < first and "1 process on cpu" in output


@pytest.mark.slow
def test_the_smoke_recipe_runs_on_two_ranks(tmp_path):
    output = launched(
        "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29613", "recipes/train_kosmos2.py",
        "--config", str(SMOKE), "--output_dir", str(tmp_path), tmp_path=tmp_path,
    )  # fmt: skip
    assert "2 processes on cpu" in output


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ddp", "fsdp2"])
def test_configurations_for_several_gpus_start_two_ranks_on_a_cpu(name, tmp_path):
    """As far as a CPU machine goes: accelerate starts the ranks, and runs plain DDP over gloo for both."""
    output = launched(
        "accelerate.commands.launch", "--config_file", f"recipes/accelerate/{name}.yaml", "--num_processes", "2",
        "--mixed_precision", "no", "--main_process_port", "29614", "recipes/train_kosmos2.py", "--config", str(SMOKE),
        "--output_dir", str(tmp_path), "--max_steps", "4", "--eval_strategy", "no", tmp_path=tmp_path,
    )  # fmt: skip
    assert "2 processes on cpu" in output


@pytest.mark.slow
def test_two_machines_find_each_other(tmp_path):
    """Both on this one: each starts a rank of its own, under its own launcher."""
    machines = [
        subprocess.Popen(
            [sys.executable, "-m", "accelerate.commands.launch", "--config_file", "recipes/accelerate/multi_node.yaml",
             "--num_processes", "2", "--machine_rank", str(rank), "--main_process_ip", "127.0.0.1", "--main_process_port",
             "29617", "--mixed_precision", "no", "recipes/train_kosmos2.py", "--config", str(SMOKE), "--output_dir",
             str(tmp_path), "--max_steps", "4", "--eval_strategy", "no"],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
        )
        for rank in (0, 1)
    ]  # fmt: skip
    outputs = [machine.communicate(timeout=600) for machine in machines]
    assert all(machine.returncode == 0 for machine in machines), outputs[0][1][-2000:]
    assert "2 processes on cpu" in outputs[0][0] and "read back equal" in outputs[0][0]
    assert "processes on" not in outputs[1][0]  # one of all the ranks speaks
