"""A device like Apple's GPUs: its tensors refuse float64, and operations with tensors of the CPU."""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

GPU = torch.device("mps", 0)
COPIES = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)


class OnGpu(Tensor):
    """A tensor whose numbers are in ``own``, on the CPU; torch's core takes it for a meta tensor."""

    own: Tensor

    @staticmethod
    def __new__(cls, own: Tensor) -> "OnGpu":
        refuse_float64(own.dtype)
        layout = {"strides": own.stride(), "storage_offset": own.storage_offset()}
        made = Tensor._make_wrapper_subclass(cls, own.shape, dtype=own.dtype, device="meta", **layout)
        made.own = own
        return made

    @property
    def device(self) -> torch.device:
        return GPU

    def tolist(self) -> Any:
        return self.own.tolist()

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(function, args, kwargs or {})


class Gpu(TorchDispatchMode):
    """While it is entered, ``device="mps:0"`` makes such tensors."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(function, args, kwargs or {})


def refuse_float64(dtype: torch.dtype | None) -> None:
    if dtype == torch.float64:
        raise TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64")


def run(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Run an operation on the numbers, and put its results on the device where the real one would have them."""
    given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    there = [one for one in given if isinstance(one, OnGpu)]
    wanted = kwargs.get("device")
    result_is_there = bool(there) if wanted is None else torch.device(wanted).type in ("mps", "meta")
    if there or result_is_there:
        refuse_float64(kwargs.get("dtype"))
    if there and function not in COPIES and "index" not in function.name():  # an index may be on the CPU
        strangers = [one for one in given if one.ndim and not isinstance(one, OnGpu)]
        assert not strangers, f"{function}: expected all tensors to be on the same device"
    if function in COPIES[1:] and there and args[0].dtype != args[1].dtype:
        refuse_float64(torch.promote_types(args[0].dtype, args[1].dtype))
    if result_is_there and wanted is not None:
        kwargs = {**kwargs, "device": "cpu"}
    args_of_cpu, kwargs_of_cpu = tree_map(lambda x: x.own if isinstance(x, OnGpu) else x, (args, kwargs))
    result = function(*args_of_cpu, **kwargs_of_cpu)
    if function._schema.name.endswith("_") and not function._schema.name.endswith("__"):
        return args[0]
    if "out" in kwargs:
        return kwargs["out"]
    return tree_map(lambda x: OnGpu(x) if isinstance(x, Tensor) else x, result) if result_is_there else result
