# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Which of several processes this one is, by what the launcher says."""

import pytest

from promvil_hf.distributed import Ranks


@pytest.mark.parametrize(
    "environment, ranks",
    [
        ({}, Ranks()),
        ({"RANK": "1", "WORLD_SIZE": "3"}, Ranks(1, 3)),
        ({"SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "4", "SLURM_NTASKS": "4"}, Ranks(2, 4)),
        # a script of `sbatch --ntasks 4` that was not started by srun is one process
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, Ranks()),
        # torchrun, one task of srun on each machine
        ({"RANK": "5", "WORLD_SIZE": "8", "SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"}, Ranks(5, 8)),
        ({"RANK": "0", "WORLD_SIZE": "1", "SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"}, Ranks()),
        # a job array divides nothing by itself
        ({"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "9", "SLURM_PROCID": "0"}, Ranks()),
    ],
)
def test_the_launcher_says_which_process_this_is(environment, ranks):
    assert Ranks.of_environment(environment) == ranks


def test_a_training_counts_only_ranks_that_torch_finds_too():
    assert Ranks.of_torch({"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"}) == Ranks()
    assert Ranks.of_torch({"RANK": "1", "WORLD_SIZE": "2"}) == Ranks(1, 2)


def test_a_number_that_is_none_is_named():
    with pytest.raises(ValueError, match="SLURM_PROCID of the environment must be a whole number, and is 'x'"):
        Ranks.of_environment({"SLURM_PROCID": "x", "SLURM_STEP_NUM_TASKS": "2"})
