"""Resource shapes: how much of a machine one worker counts for, by name."""

from dataclasses import dataclass

_GIB = 1 << 30


@dataclass(frozen=True)
class Shape:
    """What one worker of a shape counts for."""

    name: str
    cpus: float
    memory_bytes: int


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("cpu.small", 1.0, 2 * _GIB),
        Shape("cpu.medium", 2.0, 4 * _GIB),
        Shape("cpu.large", 4.0, 8 * _GIB),
    )
}
"""The shapes that this machine knows."""

DEFAULT_SHAPE = "cpu.small"


def shape_named(name: str) -> Shape:
    """The shape of that name. One that is not known here, of a GPU perhaps, counts as `cpu.small`.

    Example:

        >>> shape_named("gpu.8xh100-sxm").name
        'cpu.small'
    """
    return SHAPES.get(name, SHAPES[DEFAULT_SHAPE])
