"""Reads pickles as data: an interpreter of its own, which imports nothing and calls no class.

Python's pickle runs whatever a file names. Here a name is looked up in the table that the caller
gives and in nothing else, what it stands for is a function of ours that makes plain data, and an
opcode that checkpoints have no use for ends the reading.
"""

import pickletools
import struct
from collections.abc import Callable, Iterable
from typing import BinaryIO, NamedTuple

import numpy as np

from clipbench_tf.conversion.reading.tensors import Problem

LARGEST = 1 << 25  # bytes of pickle that are read; a tensor takes about 200 of them
RESAVE = (
    "Nothing in the file was executed. If you trust its source, load it in the program that wrote "
    "it and save the weights alone, with torch.save(model.state_dict(), ...) or as safetensors."
)


class Global(NamedTuple):
    """What a name in a pickle stands for here: `make` gets the arguments and returns plain data."""

    name: str
    make: Callable[..., object]


class Holder:
    """Stands for an object of a class that is known but not used: attributes, no behaviour."""

    def __init__(self) -> None:
        self.attributes: dict[str, object] = {}


Find = Callable[[str, str], object]
Load = Callable[[object], object]


def load(stream: BinaryIO, *, find: Find, persistent: Load) -> object:
    """The data in the pickle that begins where `stream` stands, which then stands behind it.

    Args:
        find: (module, name) -> what a name stands for, mostly a `Global`.
        persistent: persistent id -> what it stands for.

    Raises:
        Problem: if it is damaged, or needs more than data.
    """
    try:
        return _Machine(find, persistent).run(stream)
    except (ValueError, TypeError, LookupError, OverflowError, struct.error, RecursionError) as e:
        raise Problem(
            f"holds a pickle that is damaged or cut short ({str(e) or type(e).__name__}). "
            f"Download or copy it again."
        ) from e


def mapping(items: Iterable | dict = ()) -> dict:
    """A dict of a dict or of pairs, which is what an OrderedDict and its like are made from.

    Raises:
        Problem: if a key is none that checkpoints have.
    """
    made = {}
    for key, value in items.items() if isinstance(items, dict) else items:
        _check_key(key)
        made[key] = value
    return made


def _check_key(key: object) -> None:
    """Refuses keys whose hash could recurse without end, such as deeply nested tuples."""
    for part in key if isinstance(key, tuple) else (key,):
        if not isinstance(part, str | int | float | bytes | None | np.dtype | Holder | Global):
            raise Problem(f"has a {type(part).__name__} as key of a dict. {RESAVE}")


class _Machine:
    """The stack machine that pickles are programs of."""

    def __init__(self, find: Find, persistent: Load) -> None:
        self.find, self.persistent = find, persistent
        self.stack: list = []
        self.below: list[list] = []  # the stacks under each mark
        self.memo: dict[object, object] = {}

    def run(self, stream: BinaryIO) -> object:
        for opcode, argument, _ in pickletools.genops(stream):
            name = opcode.name
            if name in _CONSTANTS:
                self.stack.append(argument)
            elif name in _STEPS:
                _STEPS[name](self)
            elif name in _NEW:
                self.stack.append(_NEW[name]())
            elif name in _TUPLES:
                self.tuple_of(_TUPLES[name])
            elif name in ("BINPUT", "LONG_BINPUT"):
                self.memo[argument] = self.stack[-1]
            elif name in ("BINGET", "LONG_BINGET"):
                self.stack.append(self.memo[argument])
            elif name == "GLOBAL":
                self.named(*str(argument).split(" ", 1))
            elif name not in ("PROTO", "FRAME", "STOP"):
                raise Problem(f"uses the pickle opcode {name}, as no checkpoint does. {RESAVE}")
        return self.stack.pop()

    def marked(self) -> list:
        """Takes what lies above the last mark."""
        taken, self.stack = self.stack, self.below.pop()
        return taken

    def mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def tuple_of_marked(self) -> None:
        items = self.marked()  # first, as it changes the stack
        self.stack.append(tuple(items))

    def tuple_of(self, count: int) -> None:
        start = len(self.stack) - count
        if start < 0:
            raise IndexError("the stack is empty")
        self.stack[start:] = [tuple(self.stack[start:])]

    def extend(self, items: list) -> None:
        if type(self.stack[-1]) is not list:
            raise Problem(f"appends to what is no list. {RESAVE}")
        self.stack[-1].extend(items)

    def add(self, items: list) -> None:
        """To a set; these are in no state dict, so that their items are not kept."""
        if not isinstance(self.stack[-1], Holder):
            raise Problem(f"adds to what is no set. {RESAVE}")

    def set_items(self, items: list) -> None:
        if type(self.stack[-1]) is not dict:
            raise Problem(f"sets items of what is no dict. {RESAVE}")
        keys, values = items[::2], items[1::2]
        self.stack[-1].update(mapping(zip(keys, values, strict=True)))

    def named(self, module: object, name: object) -> None:
        if not (isinstance(module, str) and isinstance(name, str)):
            raise TypeError("a name is no string")
        self.stack.append(self.find(module, name))

    def call(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if not (isinstance(function, Global) and isinstance(arguments, tuple)):
            raise Problem(f"calls what is no function of a checkpoint. {RESAVE}")
        self.stack.append(function.make(*arguments))

    def build(self) -> None:
        """Gives an object its state; an OrderedDict's (torch's `_metadata`) has no use here."""
        state, built = self.stack.pop(), self.stack[-1]
        if isinstance(built, Holder):
            if isinstance(state, dict):
                built.attributes.update((str(key), value) for key, value in state.items())
        elif type(built) is not dict:
            raise Problem(f"gives a state to what has none. {RESAVE}")


_CONSTANTS = (
    *("NONE", "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"),
    *("BINSTRING", "SHORT_BINSTRING", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
)
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_NEW: dict[str, Callable[[], object]] = {
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": Holder,
}
_STEPS: dict[str, Callable[[_Machine], object]] = {
    "MARK": _Machine.mark,
    "TUPLE": _Machine.tuple_of_marked,
    "APPEND": lambda m: m.extend([m.stack.pop()]),
    "APPENDS": lambda m: m.extend(m.marked()),
    "SETITEM": lambda m: m.set_items([m.stack.pop(-2), m.stack.pop()]),
    "SETITEMS": lambda m: m.set_items(m.marked()),
    "ADDITEMS": lambda m: m.add(m.marked()),
    "MEMOIZE": lambda m: m.memo.update({len(m.memo): m.stack[-1]}),
    "STACK_GLOBAL": lambda m: m.named(m.stack.pop(-2), m.stack.pop()),
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "BUILD": _Machine.build,
    "BINPERSID": lambda m: m.stack.append(m.persistent(m.stack.pop())),
}
