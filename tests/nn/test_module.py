"""Modules: names, order, states, modes and devices."""

import copy

import numpy as np
import pytest

from tinylm import nn, no_grad, tensor


class Pair(nn.Module):
    """Two linear layers, a norm between them, and a parameter of its own."""

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__()
        self.second = nn.Linear(3, 2, rng=rng)
        self.norm = nn.LayerNorm(3)
        self.first = nn.Linear(2, 3, bias=False, rng=rng)
        self.gain = nn.Parameter(tensor([2.0]))
        self.layers = nn.ModuleList([nn.RMSNorm(2), nn.Dropout(0.5), nn.RMSNorm(2)])

    def forward(self, x):
        x = self.second(self.norm(self.first(x))) * self.gain
        for layer in self.layers:
            x = layer(x)
        return x


def pair() -> Pair:
    return Pair(np.random.default_rng(0))


NAMES = [
    "gain",
    "second.weight",
    "second.bias",
    "norm.weight",
    "norm.bias",
    "first.weight",
    "layers.0.weight",
    "layers.2.weight",
]


def test_parameters_have_dotted_names_in_the_order_of_assignment() -> None:
    assert [name for name, _ in pair().named_parameters()] == NAMES
    assert list(pair().state_dict()) == NAMES


def test_parameters_are_the_named_ones_in_order() -> None:
    model = pair()
    assert [id(p) for p in model.parameters()] == [id(p) for _, p in model.named_parameters()]
    assert all(p.requires_grad for p in model.parameters())


def test_modules_are_listed_with_the_root_first() -> None:
    names = [name for name, _ in pair().named_modules()]
    assert names == ["", "second", "norm", "first", "layers", "layers.0", "layers.1", "layers.2"]
    assert [name for name, _ in pair().named_children()] == ["second", "norm", "first", "layers"]
    assert len(list(pair().modules())) == 8


def test_a_shared_parameter_appears_once_under_its_first_name() -> None:
    model = pair()
    model.third = nn.Linear(2, 3, bias=False)
    model.third.weight = model.first.weight
    assert [name for name, _ in model.named_parameters()] == NAMES
    model.again = model.first  # a whole module, shared
    assert [name for name, _ in model.named_parameters()] == NAMES


def test_a_parameter_that_is_replaced_is_the_one_that_counts() -> None:
    model = pair()
    model.first.weight = nn.Parameter(tensor(np.zeros((2, 3), np.float32)))
    assert dict(model.named_parameters())["first.weight"].tolist() == [[0.0] * 3] * 2


def test_a_list_of_modules_counts_indexes_and_iterates() -> None:
    layers = nn.ModuleList([nn.RMSNorm(1), nn.RMSNorm(2), nn.RMSNorm(3)])
    assert len(layers) == 3
    assert [layer.weight.shape for layer in layers] == [(1,), (2,), (3,)]
    assert layers[-1] is layers[2]
    with pytest.raises(IndexError):
        layers[3]


def test_more_than_ten_modules_keep_their_order() -> None:
    layers = nn.ModuleList(nn.RMSNorm(n) for n in range(1, 13))
    assert [p.size for p in layers.parameters()] == list(range(1, 13))


def test_a_module_without_forward_says_so() -> None:
    with pytest.raises(NotImplementedError, match="ModuleList has no forward"):
        nn.ModuleList([])(1)


# -- states --------------------------------------------------------------------------------------------


def test_a_state_is_a_copy() -> None:
    model = pair()
    state = model.state_dict()
    state["gain"][:] = 7
    assert model.gain.tolist() == [2.0]


def test_a_state_goes_into_another_model_and_back() -> None:
    model, other = pair(), Pair(np.random.default_rng(1))
    x = tensor([[1.0, 2.0]])
    other.load_state_dict(model.state_dict())
    assert other.eval()(x).tolist() == model.eval()(x).tolist()


def test_a_state_may_hold_tensors_and_other_precisions_and_is_cast() -> None:
    model = pair()
    state = {name: tensor(array, dtype=np.float64) for name, array in model.state_dict().items()}
    state["gain"] = np.array([3])
    model.load_state_dict(state)
    assert model.gain.dtype == np.float32
    assert model.gain.tolist() == [3.0]


def test_loading_writes_into_the_same_arrays() -> None:
    model = pair()
    before = {name: p.data for name, p in model.named_parameters()}
    model.load_state_dict({name: array + 1 for name, array in model.state_dict().items()})
    assert all(p.data is before[name] for name, p in model.named_parameters())
    assert model.gain.tolist() == [3.0]


def without(state: dict, name: str) -> dict:
    return {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize(
    ("spoil", "error", "says"),
    [
        (lambda s: without(s, "norm.bias"), KeyError, "missing norm.bias; unknown none"),
        (lambda s: s | {"lm_head": np.zeros(1)}, KeyError, "missing none; unknown lm_head"),
        (lambda s: {}, KeyError, "missing gain, second.weight, second.bias, norm.weight, norm.bias and 3 more"),
        (
            lambda s: s | {"layers.2.weight": np.zeros(3)},
            ValueError,
            r"layers.2.weight: expected shape \(2,\)",
        ),
        (lambda s: s | {"first.weight": np.zeros((3, 2))}, ValueError, r"first.weight: expected shape \(2, 3\)"),
        (lambda s: s | {"layers.2.weight": np.array(["1", "x"])}, ValueError, "layers.2.weight: expected numbers"),
        (lambda s: s | {"layers.2.weight": np.array([1, 2j])}, ValueError, "layers.2.weight: expected numbers"),
        (lambda s: s | {"layers.2.weight": np.array([1, None])}, ValueError, "layers.2.weight: expected numbers"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(spoil, error, says) -> None:
    model = pair()
    before = model.state_dict()
    with pytest.raises(error, match=says):
        model.load_state_dict(spoil({name: array + 1 for name, array in before.items()}))
    assert all(np.array_equal(array, before[name]) for name, array in model.state_dict().items())


# -- modes, gradients, devices -------------------------------------------------------------------------


def test_train_and_eval_reach_every_part_and_return_the_module() -> None:
    model = pair()
    assert model.training
    assert model.eval() is model
    assert not any(module.training for module in model.modules())
    assert model.train() is model
    assert all(module.training for module in model.modules())


def test_zero_grad_forgets_all_gradients() -> None:
    model = pair()
    model(tensor([[1.0, 2.0]])).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_a_module_moves_with_its_gradients_and_keeps_its_parameters() -> None:
    model = pair().eval()
    before = [id(p) for p in model.parameters()]
    (model(tensor([[1.0, 2.0]])) * tensor([1.0, 3.0])).sum().backward()
    gradients = [p.grad.tolist() for p in model.parameters()]
    values = model.state_dict()
    assert model.to("strict") is model
    assert {p.device for p in model.parameters()} == {p.grad.device for p in model.parameters()} == {"strict"}
    assert [p.grad.tolist() for p in model.parameters()] == gradients
    model.to("numpy")
    assert [id(p) for p in model.parameters()] == before
    assert all(np.array_equal(array, values[name]) for name, array in model.state_dict().items())


def test_a_moved_module_computes_the_same() -> None:
    model, x = pair().eval(), np.array([[1.0, 2.0]], np.float32)
    with no_grad():
        here = model(tensor(x)).numpy()
        there = model.to("strict")(tensor(x, device="strict")).numpy()
    np.testing.assert_allclose(there, here, rtol=1e-6)  # the same float32 reference or kernel: some roundings


def test_a_copied_module_is_its_own() -> None:
    model = pair()
    twin = copy.deepcopy(model)
    with no_grad():
        twin.gain[...] = 9
    assert model.gain.tolist() == [2.0]
    assert [name for name, _ in twin.named_parameters()] == NAMES
