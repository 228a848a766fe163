"""Lists that stay where they are: a row is made once and brought up to date, so that focus and selection survive."""

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from nicegui.element import Element

T = TypeVar("T")


class Made(NamedTuple, Generic[T]):
    """A row, and how it is brought up to date."""

    element: Element
    update: Callable[[T], None]


class LiveRows(Generic[T]):
    """Keep the children of an element in step with a list.

    Args:
        parent: Whose children they are.
        key: What tells an item from others for as long as it is listed.
        make: Builds the row of an item; called inside ``parent``.

    Cost: one message for each row that is new, gone, moved or has changed.
    """

    def __init__(self, parent: Element, *, key: Callable[[T], str], make: Callable[[T], Made[T]]) -> None:
        self._parent = parent
        self._key = key
        self._make = make
        self._rows: dict[str, Made[T]] = {}
        self._order: list[str] = []

    def show(self, items: Sequence[T]) -> None:
        """Show these, in this order."""
        by_key = {self._key(item): item for item in items}
        for gone in [key for key in self._order if key not in by_key]:
            self._rows.pop(gone).element.delete()
            self._order.remove(gone)
        for place, (key, item) in enumerate(by_key.items()):
            if key not in self._rows:
                with self._parent:
                    self._rows[key] = self._make(item)
                self._order.append(key)
            self._rows[key].update(item)
            if self._order[place] != key:
                self._order.remove(key)
                self._order.insert(place, key)
                self._rows[key].element.move(target_index=place)

    def get(self, key: str) -> Element | None:
        """The row of an item, if it is listed."""
        made = self._rows.get(key)
        return made.element if made else None
