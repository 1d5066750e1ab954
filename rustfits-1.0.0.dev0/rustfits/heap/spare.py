"""Room at the end of a heap, so that what is behind it in the file need not move for each edit."""

from __future__ import annotations

from rustfits.heap.bintable import TableLayout

SMALL_TAIL_NBYTES = 1 << 20  # up to as much behind a table is moved each time


class Spare:
    """Room at the end of the heap of a table that is changed often, with other HDUs behind it.

    Moving those for each changed pixel takes long. So each move but the first leaves room: half of what all changes
    took so far. The HDUs behind then move only when that sum has grown by half. Only the handle that left the room
    knows of it. Later the room is unused, until the heap is repacked.
    """

    def __init__(self) -> None:
        self._moved = False
        self._taken = 0  # bytes, by all changes
        self.forget()

    def forget(self) -> None:
        """Take all of the heap as used."""
        self._heap = -1, -1
        self._used = -1

    def used(self, layout: TableLayout) -> int:
        """Return the bytes of the heap that are not spare."""
        if self._heap == (layout.heap_start, layout.heap_nbytes):
            return self._used
        return layout.heap_nbytes

    def room_after(self, nbytes: int, behind: int) -> int:
        """Return how much more room to make where ``nbytes`` are needed, and ``behind`` bytes have to move."""
        if behind < SMALL_TAIL_NBYTES:
            return 0
        again, self._moved = self._moved, True
        return min((self._taken + nbytes) // 2, behind) if again else 0

    def set(self, layout: TableLayout, *, used: int, taken: int) -> None:
        """Note the table after a change, how much of its heap is used, and what the change took."""
        self._taken += taken
        self._heap, self._used = (layout.heap_start, layout.heap_nbytes), used
