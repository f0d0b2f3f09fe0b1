"""Modules: names, order, states, modes and devices."""

import copy

import numpy as np
import pytest

from tinylm import Recorder, nn, no_grad, tensor, watching


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


class Forgetful(nn.Module):
    """A module that does not call super().__init__()."""

    def __init__(self) -> None:
        self.inner = nn.Linear(2, 3, bias=False)

    def forward(self, x):
        return self.inner(x)


def test_a_module_that_forgets_its_base_works() -> None:
    model = Forgetful()
    assert model.training
    assert not model.eval().inner.training
    assert [name for name, _ in model.named_parameters()] == ["inner.weight"]
    assert model(tensor([[1.0, 2.0]])).shape == (1, 3)


@pytest.mark.parametrize("made", [lambda m: [m], lambda m: (m, m), lambda m: {"a": m}], ids=["list", "tuple", "dict"])
def test_modules_in_a_plain_container_are_refused(made) -> None:
    model = Forgetful()
    with pytest.raises(
        TypeError, match=r"Forgetful.parts: modules in a plain (list|tuple|dict) are not found.*ModuleL"
    ):
        model.parts = made(nn.RMSNorm(1))
    model.numbers, model.nothing = [1, 2], []
    model.nothing.append(nn.RMSNorm(1))  # after the assignment, so found when the tree is walked
    with pytest.raises(TypeError, match=r"Forgetful\.nothing: modules in a plain list"):
        list(model.parameters())


def test_a_part_may_know_its_parent() -> None:
    model = pair()
    model.first.parent = model
    assert [name for name, _ in model.named_parameters()] == NAMES
    assert len(list(model.modules())) == 8
    assert not model.eval().first.training
    assert copy.deepcopy(model).first.parent is not model
    assert "parent" not in repr(model)


def test_a_list_of_modules_grows_and_is_sliced() -> None:
    class Deep(nn.Module):
        def __init__(self) -> None:
            self.rows = nn.ModuleList()
            for size in (1, 2, 3):
                self.rows.append(nn.RMSNorm(size))

        def forward(self, x):
            return self.rows[-1](x)

    model = Deep()
    assert [name for name, _ in model.named_parameters()] == ["rows.0.weight", "rows.1.weight", "rows.2.weight"]
    assert [layer.weight.size for layer in model.rows[1:]] == [2, 3]
    assert model.rows[::-1][0] is model.rows[2]
    with watching(Recorder()) as seen:
        model(tensor([[1.0, 2.0, 3.0]]))
    assert {step.scope for step in seen.steps} == {"rows.2"}
    with pytest.raises(TypeError, match="ModuleList holds modules, not a Parameter"):
        model.rows.append(nn.Parameter([1.0]))


def test_repr_is_the_tree_with_shapes_and_counts() -> None:
    assert repr(pair()) == "\n".join(
        [
            "Pair  gain (1,)  1  25 parameters in all",
            "  second: Linear  weight (3, 2), bias (2,)  8",
            "  norm: LayerNorm  weight (3,), bias (3,)  6",
            "  first: Linear  weight (2, 3)  6",
            "  layers: ModuleList",
            "    0: RMSNorm  weight (2,)  2",
            "    1: Dropout",
            "    2: RMSNorm  weight (2,)  2",
        ]
    )


def test_a_parameter_is_made_of_an_array_a_tensor_or_lists() -> None:
    for data in ([[1.0, 2.0]], np.array([[1.0, 2.0]], np.float32), tensor([[1.0, 2.0]]), ((1.0, 2.0),)):
        p = nn.Parameter(data)
        assert (p.tolist(), p.dtype, p.requires_grad) == ([[1.0, 2.0]], np.float32, True)
    with pytest.raises(TypeError, match="only floating-point tensors can require a gradient"):
        nn.Parameter([1, 2])
    with pytest.raises(TypeError, match="expected numbers or bools"):
        nn.Parameter("text")


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
