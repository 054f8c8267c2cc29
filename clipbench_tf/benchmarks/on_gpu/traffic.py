"""What compiled code moves through memory, counted from XLA's text."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

_BITS = {"pred": 8, "bf16": 16}  # of dtypes whose names do not end in their number of bits
_FREE = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all"}
_HEAD = re.compile(r"^(ENTRY )?%?(\S+) \(.*\) -> .*\{$")
_LINE = re.compile(r"^\s+(?:ROOT )?%(\S+) = (\(.*?\)|\S+) ([a-z][a-z0-9-]*)\((.*?)\)(.*)$")


class Traffic(NamedTuple):
    """What one run starts and moves.

    Attributes:
        kernels: how many kernels and library calls it starts.
        bytes: that these read and write, each operand and result once; loops by their counts.
    """

    kernels: int
    bytes: int


class _Operation(NamedTuple):
    name: str
    type: str
    kind: str
    operands: list[str]
    attributes: str


def count(code: str) -> Traffic:
    """The traffic of `code`, a compiled module in XLA's text form.

    Of a slice that is read or written in place only the slice counts. A loop whose number of rounds
    XLA does not know counts once.
    """
    computations, entry = _parsed(code)
    kernels = moved = 0
    for times, computation, operation in _executed(computations, entry, 1):
        kernels += times
        moved += times * _moved(operation, computation, computations)
    return Traffic(kernels, moved)


_Computations = Mapping[str, Mapping[str, _Operation]]


def _parsed(code: str) -> tuple[_Computations, str]:
    computations: dict[str, dict[str, _Operation]] = {}
    entry = current = ""
    for line in code.splitlines():
        if head := _HEAD.match(line):
            current = head[2]
            computations[current] = {}
            entry = current if head[1] else entry
        elif current and (found := _LINE.match(line)):
            operands = re.findall(r"%([^\s,]+)", found[4]) or [found[4]]
            operation = _Operation(found[1], found[2], found[3], operands, found[5])
            computations[current][operation.name] = operation
    return computations, entry


def _executed(
    computations: _Computations, name: str, times: int
) -> Iterator[tuple[int, Mapping[str, _Operation], _Operation]]:
    """The operations that a run starts, how often, and the computation that each stands in."""
    for operation in computations[name].values():
        if operation.kind == "while":
            rounds = re.search(r'known_trip_count":\{"n":"(\d+)"', operation.attributes)
            body = _named(operation, "body")
            yield from _executed(computations, body, times * int(rounds[1] if rounds else 1))
        elif operation.kind == "call":
            yield from _executed(computations, _named(operation, "to_apply"), times)
        elif operation.kind not in _FREE and not operation.kind.endswith("-done"):
            yield times, computations[name], operation


def _named(operation: _Operation, attribute: str) -> str:
    found = re.search(rf"{attribute}=%([^\s,]+)", operation.attributes)
    return found[1] if found else ""


def _moved(
    operation: _Operation, around: Mapping[str, _Operation], computations: _Computations
) -> int:
    read = [_size(around[one].type) if one in around else 0 for one in operation.operands]
    written = _size(operation.type)
    if operation.kind.endswith("-start"):  # its type has those of the operands, too
        written -= sum(read)
    inner = computations.get(_named(operation, "calls"), {})
    place = {o.name: int(o.operands[0]) for o in inner.values() if o.kind == "parameter"}
    for one in inner.values():
        if not one.operands or one.operands[0] not in place:
            continue
        source = place[one.operands[0]]
        if one.kind == "bitcast":
            place[one.name] = source
        elif one.kind in ("dynamic-slice", "gather"):
            read[source] = _size(one.type)
        elif one.kind == "dynamic-update-slice":
            read[source] = 0
            written += _size(inner[one.operands[1]].type) - _size(one.type)
    return sum(read) + written


def _size(kind: str) -> int:
    """Bytes of a type, such as "bf16[8,4]{1,0}", or of a tuple's members."""
    total = 0
    for name, shape in re.findall(r"\b([a-z][a-z0-9]*)\[([0-9,]*)\]", kind):
        bits = _BITS.get(name) or int(re.findall(r"\d+", name)[0])
        for side in filter(None, shape.split(",")):
            bits *= int(side)
        total += bits // 8
    return total
