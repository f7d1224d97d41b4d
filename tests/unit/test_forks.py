# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A forked process ends, speaks and sees its place as one that `python` starts."""

import os
import signal
import subprocess
import sys

import pytest

from tests import forks


SAYS = "import os, sys; print(sys.argv[1:], os.getcwd(), os.environ.get('WORD')); print('amiss', file=sys.stderr); sys.exit(3)"


def test_words_folder_environment_output_and_status_are_those_of_python(tmp_path):
    environment, place = os.environ | {"WORD": "ü"}, tmp_path / "place"
    place.mkdir()
    done = forks.run(["-c", SAYS, "a b", 1], tmp_path, cwd=place, env=environment)
    there = subprocess.run([sys.executable, "-c", SAYS, "a b", "1"], cwd=place, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (there.returncode, there.stdout, there.stderr)
    assert done.returncode == 3 and list(tmp_path.iterdir()) == [place]


@pytest.mark.parametrize("code, status", [("", 0), ("import sys; sys.exit('no')", 1), ("1 / 0", 1), ("assert False", 1)])
def test_the_status_tells_how_it_ended(code, status, tmp_path):
    assert forks.run(["-c", code], tmp_path).returncode == status


def test_modules_and_files_run(tmp_path):
    (tmp_path / "script.py").write_text("import sys; print(__name__, sys.argv[1])")
    assert forks.run([tmp_path / "script.py", "word"], tmp_path).stdout == "__main__ word\n"
    assert "show this help message" in forks.run(["-m", "promvil_hf", "--help"], tmp_path).stdout


def test_it_can_be_killed_and_waited_for():
    child = forks.start(["-c", "import time; time.sleep(600)"])
    assert child.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.01)
    child.kill()
    assert child.wait(200) == child.poll() == -signal.SIGKILL


def test_what_one_does_to_modules_no_other_sees(tmp_path):
    assert forks.run(["-c", "import json; json.dumps = None"], tmp_path).returncode == 0
    assert forks.run(["-c", "import json; print(json.dumps(1))"], tmp_path).stdout == "1\n"
