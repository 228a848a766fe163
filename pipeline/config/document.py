"""A TOML text: its values, and where each of them stands.

The standard library's reader decides what is TOML and gives the values; it knows no places. They come from the syntax
tree of tree-sitter's TOML grammar, which also goes on behind a syntax error and so finds the next one.
"""

import re
import tomllib
from typing import Any, Final, NamedTuple

import tree_sitter_toml
from tree_sitter import Language, Node, Parser

KeyPath = tuple[str | int, ...]

_TABLES: Final = {"table", "table_array_element"}
_KEYS: Final = {"bare_key", "quoted_key", "dotted_key"}
_POSITION = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[ \t]*\r?\n\s*|.)", re.DOTALL)


class Place(NamedTuple):
    """Line and column, both from 1, the column in characters."""

    line: int
    column: int


class Document:
    """A parsed text.

    Args:
        text: The whole file.

    Cost: about 1 ms for a hundred lines.
    """

    def __init__(self, text: str) -> None:
        self.values: dict[str, Any] = {}
        self.mistakes: list[tuple[Place, str]] = []
        self._encoded = text.encode()
        self._lines = text.split("\n")
        self._keys: dict[KeyPath, Node] = {}
        self._values: dict[KeyPath, Node] = {}
        root = Parser(Language(tree_sitter_toml.language())).parse(self._encoded).root_node
        try:
            self.values = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            self._add_mistakes(error, root)
        else:
            self._index(root)

    def key(self, path: KeyPath) -> Place:
        """Where the key of ``path`` stands; of what it would stand in, if it is missing."""
        return self._nearest(path, (self._keys, self._values))

    def value(self, path: KeyPath) -> Place:
        """Where the value of ``path`` stands; its key or what it would stand in, if there is none."""
        return self._nearest(path, (self._values, self._keys))

    def inside(self, path: KeyPath, offset: int) -> Place:
        """Where the character ``offset`` of the text at ``path`` stands, counted from 0 in the value."""
        node = self._values.get(path)
        if node is None or node.type != "string":
            return self.value(path)
        raw = self._encoded[node.start_byte : node.end_byte].decode()
        written = raw[: _written(raw, offset)]
        start = self._place(node)
        lines = written.split("\n")
        return Place(start.line + len(lines) - 1, len(lines[-1]) + (start.column if len(lines) == 1 else 1))

    def _nearest(self, path: KeyPath, maps: tuple[dict[KeyPath, Node], ...]) -> Place:
        for length in range(len(path), 0, -1):
            for nodes in maps:
                if path[:length] in nodes:
                    return self._place(nodes[path[:length]])
        return Place(1, 1)

    def _place(self, node: Node) -> Place:
        row, byte = node.start_point
        line = self._lines[row] if row < len(self._lines) else ""
        return Place(row + 1, len(line.encode()[:byte].decode(errors="ignore")) + 1)

    def _add_mistakes(self, error: tomllib.TOMLDecodeError, root: Node) -> None:
        message = str(error)
        match = _POSITION.search(message)
        last = Place(len(self._lines), len(self._lines[-1]) + 1)
        place = Place(int(match[1]), int(match[2])) if match and match[1] else last
        self.mistakes.append((place, f"this is not TOML: {_POSITION.sub('', message)}"))
        for node in _faulty(root):
            here = self._place(node)
            if here.line > place.line:  # what stands before is the same mistake, or follows from how it was read
                self.mistakes.append((here, "this is not TOML either"))

    def _index(self, root: Node) -> None:
        counts: dict[KeyPath, int] = {}
        for child in root.named_children:
            if child.type == "pair":
                self._index_pair((), child)
            elif child.type in _TABLES:
                path = self._index_header(child, counts)
                for pair in child.named_children[1:]:
                    if pair.type == "pair":
                        self._index_pair(path, pair)

    def _index_header(self, table: Node, counts: dict[KeyPath, int]) -> KeyPath:
        path: KeyPath = ()
        parts = _parts(table.named_children[0])
        for part in parts:
            path = (*path, _name(part))
            self._keys.setdefault(path, part)
            if part is parts[-1] and table.type == "table_array_element":
                counts[path] = counts.get(path, -1) + 1
            if path in counts:
                path = (*path, counts[path])
        self._keys[path] = parts[-1]  # [a.b] may stand before [a]
        return path

    def _index_pair(self, path: KeyPath, pair: Node) -> None:
        named = [child for child in pair.named_children if child.type != "comment"]
        for part in _parts(named[0]):
            path = (*path, _name(part))
            self._keys.setdefault(path, part)
        self._index_value(path, named[1])

    def _index_value(self, path: KeyPath, node: Node) -> None:
        self._values[path] = node
        inner = [child for child in node.named_children if child.type != "comment"]
        if node.type == "inline_table":
            for pair in inner:
                self._index_pair(path, pair)
        elif node.type == "array":
            for index, child in enumerate(inner):
                self._index_value((*path, index), child)


def _parts(key: Node) -> list[Node]:
    """The parts of a dotted key, outermost first."""
    if key.type != "dotted_key":
        return [key]
    return [part for child in key.named_children if child.type in _KEYS for part in _parts(child)]


def _name(key: Node) -> str:
    text = (key.text or b"").decode()
    return str(next(iter(tomllib.loads(f"{text} = 0")))) if key.type == "quoted_key" else text


def _faulty(root: Node) -> list[Node]:
    """Outermost nodes that the grammar could not read, in order."""
    if root.is_error or root.is_missing:
        return [root]
    return [node for child in root.children if child.has_error or child.is_missing for node in _faulty(child)]


def _written(raw: str, offset: int) -> int:
    """Index in the text as written, quotes and escapes included, of the character ``offset`` of its value."""
    quotes = raw[:3] if raw.startswith(('"""', "'''")) else raw[:1]
    at = len(quotes)
    if len(quotes) == 3:  # a line break right behind the quotes does not count
        at += len(raw[at:]) - len(raw[at:].removeprefix("\r").removeprefix("\n"))
    if quotes[0] == "'":
        return at + offset
    while offset > 0 and at < len(raw):
        escape = _ESCAPE.match(raw, at)
        if escape is None:
            at, offset = at + 1, offset - 1
        else:
            at = escape.end()
            offset -= 0 if escape[0][1:].isspace() else 1
    return at
