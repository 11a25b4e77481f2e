"""A device that is not there: tensors that say they are elsewhere and are computed here.

Whatever meets them has to be elsewhere too, as on a GPU. Random numbers are those of the CPU, so
that results are those of the CPU, to the last bit. The device is called "meta", a name that torch
knows and lets through.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from tybalt_like.models import Step, Training
from tybalt_like.training import inference
from tybalt_like.training.replay import Replay
from tybalt_like.training.update import Update

DEVICE = torch.device("meta")
MOVES = {"aten::_to_copy", "aten::copy_"}
READS = {"aten::_local_scalar_dense"}
INDEXES = {"aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_"}
"""Which a GPU lets rows be numbered by tensors of the CPU."""


class StrayError(AssertionError):
    """A tensor of the CPU met one that is elsewhere."""


class Elsewhere(torch.Tensor):
    """A tensor that holds another one, of the CPU."""

    held: torch.Tensor
    doubles = True

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> "Elsewhere":
        if held.dtype == torch.float64 and not cls.doubles:
            raise StrayError("the device has no double precision")
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=DEVICE,
        )
        made.held = held
        return made

    def new_tensor(self, data: Any) -> torch.Tensor:
        return Elsewhere(torch.tensor(data, dtype=self.dtype))

    def tolist(self) -> Any:
        return self.held.tolist()

    def __repr__(self) -> str:
        return f"Elsewhere({self.held})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


class _Everywhere(TorchDispatchMode):
    """Tensors are made, and moved, where it is asked for."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


def _computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    name = func._schema.name
    tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
    there = [one for one in tensors if isinstance(one, Elsewhere)]
    here = [one for one in tensors if not isinstance(one, Elsewhere)]
    if there and here and name not in MOVES | INDEXES:
        numbers = torch.Tag.pointwise in func.tags and all(one.ndim == 0 for one in here)
        if not numbers:
            shapes = [tuple(one.shape) for one in here]
            raise StrayError(f"{name}: tensors of the CPU, {shapes}, meet those of the device")
    if name == "aten::_efficientzerotensor":  # without memory, and known by kernels of devices
        func = torch.ops.aten.zeros.default
    to = kwargs.get("device")
    goes = bool(there) if to is None else torch.device(to).type == DEVICE.type
    on_cpu = kwargs if to is None else kwargs | {"device": torch.device("cpu")}
    operands = tree_map(_held, args), tree_map(_held, on_cpu)
    if Graph.recording is not None and (there or goes):
        if name in READS or (name in MOVES and (here or not goes)):
            raise StrayError(f"{name}: what passes between CPU and device cannot be recorded")
        found = Graph.recording.carry_out(func, *operands)
    else:
        found = func(*operands[0], **operands[1])
    known = {id(one.held): one for one in there} | {id(one): one for one in here}

    def placed(one: Any) -> Any:
        if id(one) in known:  # what was changed in place is what it was
            return known[id(one)]
        return Elsewhere(one) if goes and isinstance(one, torch.Tensor) else one

    return tree_map(placed, found)


def _held(one: Any) -> Any:
    return one.held if isinstance(one, Elsewhere) else one


@contextmanager
def elsewhere(*, doubles: bool = True) -> Iterator[None]:
    """In the block every device that is asked for is the one that is not there.

    Parameters
    ----------
    doubles
        Whether it has double precision, which those of Apple have not.
    """
    from tybalt_like.run import analysis
    from tybalt_like.tl import fit

    at = sys.modules[fit.__module__], analysis
    fused = "torch.optim.optimizer._get_fused_kernels_supported_devices"
    dtype = torch.float64 if doubles else torch.float32
    with (
        mock.patch.object(at[0], "pick_device", return_value=DEVICE),
        mock.patch.object(at[1], "pick_device", return_value=DEVICE),
        mock.patch.object(inference, "exact", return_value=dtype),
        mock.patch.object(Elsewhere, "doubles", doubles),
        mock.patch(fused, return_value=["cpu", DEVICE.type]),
        _Everywhere(),
    ):
        before = torch.__future__.get_overwrite_module_params_on_conversion()
        torch.__future__.set_overwrite_module_params_on_conversion(True)  # not their data alone
        try:
            yield
        finally:
            torch.__future__.set_overwrite_module_params_on_conversion(before)


class Graph:
    """A CUDA graph of the device that is not there: operations and the tensors they work on.

    Recording changes nothing, and refuses what cannot be recorded: copies from the CPU, and to it.
    """

    recording: "Graph | None" = None

    def __init__(self) -> None:
        self.done: list[tuple[Any, Any, Any, list[torch.Tensor]]] = []
        self.before: list[tuple[torch.Tensor, torch.Tensor]] = []

    def carry_out(self, func: Any, args: Any, kwargs: Any) -> Any:
        """An operation on held tensors, noted down."""
        if func._schema.is_mutable or "batch_norm" in func._schema.name:
            tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
            self.before += [(one, one.clone()) for one in tensors]
        found = func(*args, **kwargs)
        made = [one for one in tree_leaves(found) if isinstance(one, torch.Tensor)]
        self.done.append((func, args, kwargs, made))
        return found

    @contextmanager
    def recorded(self) -> Iterator[None]:
        Graph.recording = self
        try:
            yield
        finally:
            Graph.recording = None
            for one, value in reversed(self.before):
                one.copy_(value)

    def replay(self) -> None:
        with torch.no_grad():
            for func, args, kwargs, made in self.done:
                found = tree_leaves(func(*args, **kwargs))
                again = [one for one in found if isinstance(one, torch.Tensor)]
                for old, new in zip(made, again, strict=True):
                    if old.data_ptr() != new.data_ptr():
                        old.copy_(new)


class _Stream:
    def wait_stream(self, _: object) -> None:
        pass


@contextmanager
def replayed() -> Iterator[None]:
    """Within `elsewhere`: updates are recorded and replayed, as on CUDA."""

    def begun(self: Update, step: Step, training: Training) -> None:
        begin(self, step, training)
        if step.replays:
            self.replay = Replay(self._carried_out, self.optimizer)

    begin = Update.__init__
    with (
        mock.patch.object(Update, "__init__", begun),
        mock.patch.object(torch.cuda, "Stream", _Stream),
        mock.patch.object(torch.cuda, "current_stream", _Stream),
        mock.patch.object(torch.cuda, "stream", nullcontext),
        mock.patch.object(torch.cuda, "CUDAGraph", Graph),
        mock.patch.object(torch.cuda, "graph", lambda graph, stream: graph.recorded()),  # noqa: ARG005
    ):
        yield
