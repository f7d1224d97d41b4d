# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from promvil_hf.training.losses import (
    CHUNK_ROWS,
    gather,
    likely_tokens,
    loss_sums,
    shares,
    token_losses,
    vision_modeling_loss,
)


BATCH, LENGTH, WIDTH, VOCABULARY = 3, 30, 12, 53
PICTURE = slice(2, 14)
WEIGHT = 0.3


def case(seed=0, dtype=torch.float64, trained=True, patches=True, texts=True, several=0):
    draw = torch.Generator().manual_seed(seed)
    hidden = torch.randn(BATCH, LENGTH, WIDTH, generator=draw, dtype=dtype).requires_grad_()
    head = torch.randn(VOCABULARY, WIDTH, generator=draw, dtype=dtype).requires_grad_(trained)
    labels = torch.full((BATCH, LENGTH), -100)
    vision = torch.full((BATCH, LENGTH, several) if several else (BATCH, LENGTH), -100)
    if texts:
        for row, start in enumerate((16, 20, 26)):  # ragged
            labels[row, start:] = torch.randint(VOCABULARY, (LENGTH - start,), generator=draw)
    if patches:
        vision[:, PICTURE] = torch.randint(VOCABULARY, vision[:, PICTURE].shape, generator=draw)
        vision[0, 3:7] = -100
    return hidden, head, labels, vision


def on_full_logits(hidden, head, labels, vision, weight=WEIGHT, bias=None, softcap=None):
    """The papers' way: two cross entropies on all logits."""
    logits = F.linear(hidden, head, bias)
    logits = logits if softcap is None else softcap * torch.tanh(logits / softcap)
    lm = F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
    vm = F.cross_entropy(logits.flatten(0, 1), vision.flatten())
    return (1 - weight) * lm + weight * vm


def gradients(loss, *tensors):
    return torch.autograd.grad(loss, [tensor for tensor in tensors if tensor is not None and tensor.requires_grad])


@pytest.mark.parametrize("softcap", [None, 4.0])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("trained", [False, True])
def test_gathered_rows_give_the_loss_and_each_gradient_of_full_logits(trained, biased, softcap):
    hidden, head, labels, vision = case(trained=trained)
    bias = torch.randn(VOCABULARY, dtype=torch.float64, requires_grad=trained) if biased else None
    joint = vision_modeling_loss(
        hidden, head, labels, vision, vision_loss_weight=WEIGHT, bias=bias, softcap=softcap
    )
    expected = on_full_logits(hidden, head, labels, vision, bias=bias, softcap=softcap)
    torch.testing.assert_close(joint.loss, expected, rtol=1e-12, atol=0)
    for mine, theirs in zip(
        gradients(joint.loss, hidden, head, bias), gradients(expected, hidden, head, bias), strict=True
    ):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-12)


def test_in_fp32_the_loss_is_equal_to_a_millionth():
    given = case(dtype=torch.float32)
    joint = vision_modeling_loss(*given, vision_loss_weight=WEIGHT)
    assert joint.loss.item() == pytest.approx(on_full_logits(*given).item(), rel=1e-6)


@pytest.mark.parametrize("rows", [1, 7, CHUNK_ROWS])
@pytest.mark.parametrize("trained", [False, True])
def test_chunks_change_nothing(rows, trained):
    hidden, head, *_ = case(trained=trained)
    flat, targets = hidden.flatten(0, 1), torch.arange(BATCH * LENGTH) % VOCABULARY
    losses, hits = token_losses(flat, head, targets, chunk_rows=rows)
    logits = flat @ head.T
    torch.testing.assert_close(losses, F.cross_entropy(logits, targets, reduction="none"))
    assert torch.equal(hits, logits.argmax(-1) == targets)
    weights = torch.linspace(-1, 2, len(targets), dtype=torch.float64)  # any weight of a row comes back right
    expected = (F.cross_entropy(logits, targets, reduction="none") * weights).sum()
    for mine, theirs in zip(
        gradients((losses * weights).sum(), hidden, head), gradients(expected, hidden, head), strict=True
    ):
        torch.testing.assert_close(mine, theirs)


class RowsOfLogits(TorchDispatchMode):
    """The most rows of any tensor as wide as the vocabulary."""

    most = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(tensor, torch.Tensor) and tensor.dim() and tensor.shape[-1] == 997:
                self.most = max(self.most, tensor.numel() // 997)
        return out


@pytest.mark.parametrize("trained", [False, True])
def test_there_are_never_more_logits_than_a_chunk(trained):
    hidden = torch.randn(4, 200, 8, requires_grad=True)
    head = torch.randn(997, 8, requires_grad=trained)
    labels, vision = torch.full((2, 4, 200), -100)
    labels[:, 100:], vision[:, :90] = 1, 2
    with RowsOfLogits() as seen:
        vision_modeling_loss(hidden, head, labels, vision).loss.backward()
    assert 0 < seen.most <= CHUNK_ROWS
    with RowsOfLogits() as seen:
        on_full_logits(hidden, head, labels, vision).backward()
    assert seen.most >= 800  # so that the check can fail


def shift_holds(labels_of):
    """Patch j says y_j and nothing else: its loss is 0 exactly when each label is read at its own position."""
    hidden = torch.zeros(1, 10, VOCABULARY)
    vision = torch.full((1, 10), -100)
    vision[0, 3:8] = torch.tensor([5, 9, 2, 7, 11])
    hidden[0, range(3, 8), vision[0, 3:8]] = 100.0
    sums = loss_sums(hidden, torch.eye(VOCABULARY), torch.full((1, 10), -100), labels_of(vision))
    return sums.vm.item() < 1e-6 and sums.hits == 5


def test_a_patch_predicts_its_own_label_unshifted():
    assert shift_holds(lambda vision: vision)


@pytest.mark.parametrize("by", [-1, 1])
def test_the_shift_test_fails_if_someone_shifts(by):
    assert not shift_holds(lambda vision: vision.roll(by, 1))


def test_text_predicts_the_next_token_and_no_first_label_counts():
    hidden = torch.zeros(1, 5, VOCABULARY)
    labels = torch.tensor([[6, 7, 8, 9, 10]])
    hidden[0, range(4), labels[0, 1:]] = 100.0
    sums = loss_sums(hidden, torch.eye(VOCABULARY), labels, torch.full((1, 5), -100))
    assert sums.lm.item() < 1e-6 and sums.tokens == 4


def test_a_position_may_carry_a_word_of_the_text_and_one_of_the_picture():
    hidden, head, labels, vision = case()
    labels[:, PICTURE.stop] = 4  # the first token behind the picture is trained: its loss is read at the last patch
    joint = vision_modeling_loss(hidden, head, labels, vision, vision_loss_weight=WEIGHT)
    torch.testing.assert_close(joint.loss, on_full_logits(hidden, head, labels, vision))


def test_several_labels_of_a_patch_are_averaged_and_count_once():
    hidden, head, labels, vision = case(several=3)
    vision[:, 5:9, 2] = vision[:, 9, 1:] = -100  # words of three, two and one tokens
    sums = loss_sums(hidden, head, labels, vision)
    logits = (hidden @ head.T).log_softmax(-1)
    expected = hits = 0
    for row, place in (vision[..., 0] != -100).nonzero().tolist():
        patch_labels = [label for label in vision[row, place].tolist() if label != -100]
        expected -= sum(logits[row, place, label] for label in patch_labels) / len(patch_labels)
        hits += logits[row, place].argmax().item() in patch_labels
    torch.testing.assert_close(sums.vm, expected)
    assert sums.patches == (vision[..., 0] != -100).sum() and sums.hits == hits


def test_micro_batches_divided_by_the_counts_of_their_window_add_up_to_the_whole():
    hidden, head, labels, vision = case()
    vision[1] = -100  # a micro-batch without labels
    whole = vision_modeling_loss(hidden, head, labels, vision, vision_loss_weight=WEIGHT)
    parts = [
        vision_modeling_loss(
            hidden[rows], head, labels[rows], vision[rows],
            vision_loss_weight=WEIGHT, tokens=whole.sums.tokens, patches=whole.sums.patches,
        )
        for rows in (slice(0, 1), slice(1, 2), slice(2, 3))
    ]  # fmt: skip
    torch.testing.assert_close(sum(part.loss for part in parts), whole.loss)
    assert parts[1].vm_loss == 0


def test_without_any_patch_the_language_loss_is_whole_unless_asked_otherwise():
    given = case(patches=False)
    plain = vision_modeling_loss(*given, vision_loss_weight=0).loss
    assert vision_modeling_loss(*given, vision_loss_weight=WEIGHT).loss == plain
    scaled = vision_modeling_loss(*given, vision_loss_weight=WEIGHT, scale_lm_when_empty=True).loss
    torch.testing.assert_close(scaled, (1 - WEIGHT) * plain)


@pytest.mark.parametrize("trained", [False, True])
def test_without_any_label_the_loss_is_zero_and_every_gradient_is_still_made(trained):
    hidden, head, labels, vision = case(patches=False, texts=False, trained=trained)
    joint = vision_modeling_loss(hidden, head, labels, vision)
    joint.loss.backward()
    assert joint.loss == 0 and not hidden.grad.any()
    assert (head.grad is not None) == trained and not (trained and head.grad.any())


def test_torch_has_the_same_loss():
    if not hasattr(F, "linear_cross_entropy"):
        pytest.skip("this torch has no linear_cross_entropy")
    hidden, head, labels, vision = case(trained=False)
    gathered = gather(hidden, labels, vision)
    losses, _ = token_losses(gathered.rows, head, gathered.targets)
    torch.testing.assert_close(losses.mean(), F.linear_cross_entropy(gathered.rows, head, gathered.targets))


@pytest.mark.parametrize("trained", [False, True])
def test_bf16_errs_no_more_than_bf16_logits_do(trained):
    given = case(dtype=torch.bfloat16, trained=trained)
    exact = [tensor.detach().double().requires_grad_() if tensor.is_floating_point() else tensor for tensor in given]
    expected = on_full_logits(*exact)
    wanted = gradients(expected, exact[0])[0]
    hidden, head, labels, vision = given
    naive = on_full_logits(hidden.float(), head.float(), labels, vision)  # same rounded inputs, fp32 logits
    joint = vision_modeling_loss(hidden, head, labels, vision, vision_loss_weight=WEIGHT)
    assert joint.loss.dtype == torch.float32
    assert joint.loss.item() == pytest.approx(naive.item(), rel=3e-3)
    found = gradients(joint.loss, hidden)[0]
    assert found.dtype == torch.bfloat16
    assert (found.double() - wanted).norm() / wanted.norm() < 1e-2


def test_under_autocast_the_head_computes_as_the_model_would():
    hidden, head, labels, vision = case(dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        joint = vision_modeling_loss(hidden, head, labels, vision, vision_loss_weight=WEIGHT)
        logits = F.linear(hidden, head)
    assert logits.dtype == torch.bfloat16
    lm = F.cross_entropy(logits[:, :-1].float().flatten(0, 1), labels[:, 1:].flatten())
    vm = F.cross_entropy(logits.float().flatten(0, 1), vision.flatten())
    assert joint.loss.item() == pytest.approx(((1 - WEIGHT) * lm + WEIGHT * vm).item(), rel=1e-6)
    joint.loss.backward()
    assert hidden.grad.dtype == head.grad.dtype == torch.float32


def test_the_likely_tokens_are_those_of_full_logits():
    hidden, head, *_ = case(trained=False)
    flat = hidden.flatten(0, 1)
    assert torch.equal(likely_tokens(flat, lambda rows: rows @ head.T, chunk_rows=7), (flat @ head.T).argmax(-1))
    assert likely_tokens(flat[:0], lambda rows: rows @ head.T).shape == (0,)


@pytest.mark.parametrize("weight", [-0.1, 1.5])
def test_a_weight_that_is_no_share_is_refused(weight):
    with pytest.raises(ValueError, match=r"vision_loss_weight=.*it is λ in \(1 - λ\)·LM \+ λ·VM, between 0 and 1"):
        shares(weight, True)


def test_labels_of_another_length_are_refused():
    hidden, head, labels, vision = case()
    with pytest.raises(ValueError, match=r"3 rows of 30 positions .* vision_labels of shape \(3, 12\)"):
        vision_modeling_loss(hidden, head, labels, vision[:, PICTURE])


def test_the_benchmark_runs_every_way_and_all_are_equal(capsys):
    from benchmarks.vision_loss import WAYS, main

    small = ["--vocabulary", "96", "--width", "8", "--repeats", "1", "--memory-runs", "0"]
    (report,) = main(["--labels", "sparse", *small])["reports"]
    assert report["ways"].keys() == WAYS.keys()
    for name, errors in report["ways"].items():
        assert errors["loss_error"] < 1e-6 and errors["gradient_error"] < 1e-6, name
    assert "ours against two_full" in capsys.readouterr().out
