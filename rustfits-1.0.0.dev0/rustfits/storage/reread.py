"""Reads that are done again when the file was changed under them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from rustfits.errors import FileChanged
from rustfits.storage.watch import Tries

P = ParamSpec("P")
R = TypeVar("R")


class Straddled(FileChanged):
    """The file was changed between the first and the last byte of a read, which may go better the next time."""

    def __init__(self, filename: str) -> None:
        super().__init__(filename, "it was changed while it was read; read once more")

    def __reduce__(self) -> tuple[Any, ...]:
        return FileChanged, (self.path, self.found), self.__dict__


def repeated(read: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """Have a method that reads inside `OpenFile.reading` do so again if the file was changed meanwhile.

    An argument that is an iterator cannot be used twice: then the error of the first time is the last word.

    Raises
    ------
    FileChanged
        By the method, if the file is changed again and again, or is not what it was.
    """

    @wraps(read)
    def repeating(self: Any, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return read(self, *args, **kwargs)
        except Straddled as error:
            if any(isinstance(argument, Iterator) for argument in (*args, *kwargs.values())):
                raise
            tries = Tries(error.path)
        while True:
            try:
                return read(self, *args, **kwargs)
            except Straddled:
                tries.again()

    return cast("Callable[Concatenate[Any, P], R]", repeating)
