"""Asks and trains compiled probabilistic circuits.

A circuit is compiled by ``danaus compile NAME.pc -o NAME.pcb``. Rows of data are arrays of values with an axis for rows; the other axes are
the variables in the order of their declaration. A value is missing where it is NaN, masked, or -1 (if -1 is no value of the variable).

    >>> import danaus
    >>> model = danaus.Model.load("hmm.pcb").with_parameters("hmm.safetensors")
    >>> model.log_likelihood(rows)
    >>> model.sample(100, seed=5)

Everything that takes long runs without the lock of the interpreter.
"""

from __future__ import annotations

import math
import os
from typing import Any, NamedTuple, Union

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._danaus import DanausError, RawModel, RawStream, __version__

__all__ = ["DanausError", "Marginals", "Model", "Mpe", "Stream", "Variable", "__version__"]

Path = Union[str, "os.PathLike[str]"]

#: What stands for a missing value on the way to the circuit.
_MISSING = np.iinfo(np.int64).min


class Variable(NamedTuple):
    """An array of variables."""

    name: str
    #: Its extents; empty for a single variable.
    shape: tuple[int, ...]
    #: The first of its values.
    low: int
    #: The number of its values.
    values: int


class Marginals(NamedTuple):
    """Probabilities of the values of every variable."""

    #: ``[rows, variables, values]``; a variable with fewer values is filled up with 0. NaN where a row (or a prefix) is impossible.
    probabilities: NDArray[np.float32]
    #: ``[rows]``; ``-inf`` for an impossible row.
    log_likelihoods: NDArray[np.float64]


class Mpe(NamedTuple):
    """Most likely completions."""

    #: ``[rows, variables]``; what is missing of an impossible row is -1.
    values: NDArray[np.int64]
    #: The log-likelihood of each completed row; ``-inf`` for an impossible one.
    log_likelihoods: NDArray[np.float64]
    #: Whether no completion is more likely. If not, the log-likelihoods are lower bounds of the greatest.
    is_exact: bool


class Model:
    """A compiled circuit with its parameters."""

    def __init__(self, raw: RawModel) -> None:
        self._raw = raw

    @classmethod
    def load(cls, path: Path) -> Model:
        """Loads a compiled circuit. If all of its numbers are given in the program, it is ready to be asked."""
        return cls(RawModel.load(os.fspath(path)))

    def with_parameters(self, path: Path) -> Model:
        """Takes the parameters from a ``.safetensors`` file."""
        self._raw.load_parameters(os.fspath(path))
        return self

    def with_random_parameters(self, seed: int) -> Model:
        """Draws random parameters, the same for the same seed on every machine."""
        self._raw.draw_parameters(seed)
        return self

    def on(self, device: str) -> Model:
        """Says where the circuit runs: ``"cpu"``."""
        self._raw.on(device)
        return self

    def with_batch(self, rows: int) -> Model:
        """Says how many rows are computed at a time. It changes speed and memory, not the answers."""
        self._raw.set_batch(rows)
        return self

    @property
    def name(self) -> str:
        """The circuit's name."""
        return self._raw.name

    @property
    def variables(self) -> list[Variable]:
        """The arrays of variables."""
        return [Variable(name, tuple(shape), low, values) for name, shape, low, values in self._raw.variables]

    @property
    def queries(self) -> list[str]:
        """What the circuit was compiled for."""
        return self._raw.queries

    @property
    def warnings(self) -> list[str]:
        """What is odd about the parameters."""
        return self._raw.warnings

    def log_likelihood(self, rows: ArrayLike) -> NDArray[np.float64]:
        """The natural logarithm of the probability of each row; missing values are summed out."""
        return _array(self._raw.log_likelihood(_rows(rows)), np.float64)

    def marginals(self, rows: ArrayLike) -> Marginals:
        """The posterior of every variable given each row."""
        return self._probabilities(*self._raw.marginals(_rows(rows)))

    def next(self, rows: ArrayLike) -> Marginals:
        """The distribution of every variable given the observed ones before it."""
        return self._probabilities(*self._raw.next(_rows(rows)))

    def stream(self, rows: int = 1) -> Stream:
        """What follows, one symbol at a time, in some rows at once: a chain whose state is kept."""
        return Stream(self._raw.stream(rows), [size for array in self.variables for size in [array.values] * math.prod(array.shape)])

    def mpe(self, rows: ArrayLike) -> Mpe:
        """The most likely completion of each row."""
        values, log_likelihoods, is_exact = self._raw.mpe(_rows(rows))
        return Mpe(_array(values, np.int64, -1, self._width), _array(log_likelihoods, np.float64), is_exact)

    def sample(
        self, n: int = 1, *, evidence: ArrayLike | None = None, seed: int = 0, temperature: float = 1.0
    ) -> NDArray[np.int64]:
        """Samples ``[n, variables]``, or completions of each row of evidence, ``[rows, n, variables]``.

        Equal seeds give equal samples. Of an impossible row, what is missing is -1.
        """
        rows = None if evidence is None else _rows(evidence)
        values = self._raw.sample(n, rows, seed, temperature)
        shape = (n, self._width) if rows is None else (rows[1], n, self._width)
        return _array(values, np.int64, *shape)

    def train(self, rows: ArrayLike, valid: ArrayLike | None = None, **settings: Any) -> dict[str, Any]:
        """Trains: afterwards the model has the best parameters on the validation rows, or without any the last ones.

        Settings are those of ``danaus train`` with underscores: ``optimizer="em"``, ``batch=128``, ``epochs=20``, ``schedule="1.0->0.0"``,
        ``pseudocount``, ``seed``, ``patience``, ``checkpoint`` and others. Gives ``ending``, ``epochs``, ``updates`` and ``seconds``.
        """
        held_out = None if valid is None else _rows(valid)
        return self._raw.train(_rows(rows), held_out, {name.replace("_", "-"): value for name, value in settings.items()})

    def save_parameters(self, path: Path) -> None:
        """Writes the parameters to a ``.safetensors`` file."""
        self._raw.save_parameters(os.fspath(path))

    @property
    def _width(self) -> int:
        """The number of variables."""
        return sum(math.prod(array.shape) for array in self.variables)

    def _probabilities(self, probabilities: bytearray, values: int, log_likelihoods: bytearray) -> Marginals:
        shape = (len(log_likelihoods) // 8, self._width, values)
        return Marginals(_array(probabilities, np.float32, *shape), _array(log_likelihoods, np.float64))

    def __repr__(self) -> str:
        return f"<danaus.Model {self.name}: {', '.join(self.queries)}>"


class Stream:
    """Rows of a chain, the first variables of which have been given values. Each further one takes constant time.

    >>> stream = model.stream()
    >>> while not stream.is_complete:
    ...     stream.push([stream.next()[0].argmax()])

    It has a copy of the parameters of its own, and goes on with them whatever happens to the model.
    """

    def __init__(self, raw: RawStream, sizes: list[int]) -> None:
        self._raw = raw
        self._sizes = sizes

    @property
    def position(self) -> int:
        """The number of the variable that is next."""
        return self._raw.position

    @property
    def is_complete(self) -> bool:
        """Whether all variables have been given values."""
        return self._raw.is_complete

    @property
    def log_likelihoods(self) -> NDArray[np.float64]:
        """``[rows]``: of what each row has been given so far; ``-inf`` if that is impossible."""
        return _array(self._raw.log_likelihoods, np.float64)

    def next(self) -> NDArray[np.float32]:
        """``[rows, values]``: the distribution of the next variable, NaN after what is impossible."""
        if self.is_complete:
            raise DanausError(f"all {self.position} variables have been given values")
        return _array(self._raw.next(), np.float32, -1, self._sizes[self.position])

    def push(self, values: ArrayLike) -> None:
        """Gives the next variable a value in each row; NaN, masked or -1 passes over it."""
        array = values if isinstance(values, np.ma.MaskedArray) else np.asarray(values)
        self._raw.push(_rows(array.reshape(-1, 1)))


def _array(numbers: bytearray, dtype: type, *shape: int) -> NDArray[Any]:
    """An array over numbers that the circuit has written."""
    array = np.frombuffer(numbers, dtype=dtype)
    return array.reshape(shape) if shape else array


def _rows(values: ArrayLike) -> tuple[bytes, int]:
    """The bytes of values as whole numbers ``[rows, variables]``, missing ones marked, and the number of rows."""
    array = values if isinstance(values, np.ma.MaskedArray) else np.asarray(values)
    missing = np.ma.getmaskarray(array) if isinstance(array, np.ma.MaskedArray) else None
    array = np.ma.getdata(array)
    if array.ndim < 2:
        raise DanausError(f"rows have an axis for rows and one for variables, but this array has the shape {array.shape}")
    if array.dtype.kind == "f":
        absent = np.isnan(array)
        missing = absent if missing is None else missing | absent
        array = np.where(absent, 0, array)
        if not np.all(np.isfinite(array)) or not np.all(array == np.floor(array)):
            raise DanausError("values are whole numbers, but this array has others")
    elif array.dtype.kind not in "iub":
        raise DanausError(f"values are whole numbers, but this array has the type {array.dtype}")
    array = array.astype(np.int64)
    if missing is not None:
        array = np.where(missing, _MISSING, array)
    return array.tobytes(), array.shape[0]
