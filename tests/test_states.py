"""What optimisers remember, as named tensors: the names that files of states hold, and the way back."""

import pytest
import torch

from graftlab.checkpoints.states import optimizer_state, restore_optimizer, under
from graftlab.errors import GraftError


def adam(steps):
    """An optimiser of two parameters after so many steps, and the parameters."""
    parameters = [torch.zeros(2, requires_grad=True), torch.ones(1, 3, requires_grad=True)]
    optimizer = torch.optim.Adam(parameters, lr=0.1)
    for step in range(steps):
        descend(optimizer, parameters, step)
    return optimizer, parameters


def descend(optimizer, parameters, step):
    for parameter in parameters:
        parameter.grad = torch.full_like(parameter, step - 1.5)
    optimizer.step()


def test_names_are_those_of_files_written_before():
    optimizer, _ = adam(1)
    remembered = ("step", "exp_avg", "exp_avg_sq")
    assert set(optimizer_state(optimizer)) == {f"adam.{i}.{name}" for i in (0, 1) for name in remembered}
    named = optimizer_state(optimizer, "adam.model.")
    assert set(named) == {f"adam.model.{i}.{name}" for i in (0, 1) for name in remembered}
    assert named["adam.model.1.exp_avg"].shape == (1, 3)
    assert optimizer_state(adam(0)[0]) == {}


def test_an_optimiser_goes_on_among_others():
    first, parameters = adam(3)
    state = {**optimizer_state(first, "adam.model."), **optimizer_state(adam(1)[0], "adam.judges."), "w": torch.ones(1)}
    state = {name: tensor.clone() for name, tensor in state.items()}
    second, others = adam(0)
    with torch.no_grad():
        for mine, other in zip(others, parameters, strict=True):
            mine.copy_(other)
    restore_optimizer(second, state, "adam.model.")
    for optimizer, own in ((first, parameters), (second, others)):
        descend(optimizer, own, 7)
    assert all(map(torch.equal, parameters, others))
    assert second.state_dict()["state"][0]["step"] == 4


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("1.exp_avg", torch.zeros(3)),
        ("1.exp_avg", None),
        ("0.step", torch.zeros(0)),
        ("0.step", torch.zeros((), dtype=torch.bool)),
        ("1.exp_avg", torch.zeros(1, 3, dtype=torch.int64)),
        ("2.step", torch.zeros(())),
        ("0.momentum", torch.zeros(2)),
        ("x", torch.zeros(2)),
        ("0.step.x", torch.zeros(())),
    ],
)
def test_what_adam_does_not_remember_is_refused(name, value):
    state = {**optimizer_state(adam(1)[0]), f"adam.{name}": value}
    with pytest.raises(GraftError, match=r"adam\.\w+"):
        restore_optimizer(adam(0)[0], {name: tensor for name, tensor in state.items() if tensor is not None})


def test_names_under_a_prefix():
    tensors = {"model.a": torch.zeros(1), "models.b": torch.ones(1), "ema.model.c": torch.ones(1)}
    assert under(tensors, "model.") == {"a": tensors["model.a"]}
