"""CREATE and ALTER PROPERTY GRAPH: graphs over tables (ISO/IEC 9075-16).

    CREATE PROPERTY GRAPH social
        VERTEX TABLES (person KEY (id) LABEL human PROPERTIES (name, year AS born))
        EDGE TABLES (knows SOURCE KEY (a) REFERENCES person (id) DESTINATION KEY (b) REFERENCES person (id))

NODE means VERTEX, RELATIONSHIP means EDGE.
"""

from __future__ import annotations

from skerry_engine.sql import graph_statements as gs
from skerry_engine.sql import statements as st
from skerry_engine.sql.alter_syntax import AlterParser

_VERTEX = ("vertex", "node")
_EDGE = ("edge", "relationship")


class GraphParser(AlterParser):
    """Reads definitions of property graphs."""

    def create_property_graph(self, persistence: str) -> st.Statement:
        """CREATE PROPERTY GRAPH behind these words."""
        name = self.object_name()
        vertices, edges = self._tables()
        return gs.CreatePropertyGraph(name, vertices, edges, persistence)

    def alter_property_graph(self) -> st.Statement:
        """ALTER PROPERTY GRAPH behind these words."""
        if_exists = self.accept_if_exists()
        name = self.object_name()
        shared = self.shared_alteration("property graph", name, if_exists)
        if shared is not None:
            return shared
        return gs.AlterPropertyGraph(name, self._action(), if_exists)

    def _action(self) -> gs.GraphAction:
        if self.accept_word("add"):
            vertices, edges = self._tables()
            if not vertices and not edges:
                raise self.error()
            return gs.AddElements(vertices, edges)
        if self.accept_word("drop"):
            is_edges = self._is_edge()
            self.expect_word("tables")
            aliases = self.names_in_parentheses()
            return gs.DropElements(is_edges, aliases, self.accept_cascade())
        self.expect_word("alter")
        is_edge = self._is_edge()
        self.expect_word("table")
        return self._element_action(is_edge, self.name())

    def _is_edge(self) -> bool:
        word = self.accept_one_of(*_VERTEX, *_EDGE)
        if not word:
            raise self.error()
        return word in _EDGE

    def _element_action(self, is_edge: bool, alias: str) -> gs.AlterElement:
        if self.accept_word("add"):
            labels: list[gs.LabelClause] = []
            while self.word() == "label":
                labels.append(self._label_clause())
                self.accept_word("add")
            if not labels:
                raise self.error()
            return gs.AddLabels(is_edge, alias, tuple(labels))
        if self.accept_words("drop", "label"):
            label = self.name()
            self.accept_cascade()
            return gs.DropLabel(is_edge, alias, label)
        self.expect_word("alter", "label")
        label = self.name()
        if self.accept_words("add", "properties"):
            return gs.AddProperties(is_edge, alias, label, self._property_items())
        self.expect_word("drop", "properties")
        names = self.names_in_parentheses()
        self.accept_cascade()
        return gs.DropProperties(is_edge, alias, label, names)

    # --- elements -------------------------------------------------------------------------------------------------

    def _tables(self) -> tuple[tuple[gs.ElementClause, ...], tuple[gs.ElementClause, ...]]:
        """[VERTEX TABLES (...)] [EDGE TABLES (...)]."""
        vertices: list[gs.ElementClause] = []
        edges: list[gs.ElementClause] = []
        if self.word() in _VERTEX:
            self._element_list(vertices, False)
        if self.word() in _EDGE:
            self._element_list(edges, True)
        return tuple(vertices), tuple(edges)

    def _element_list(self, found: list[gs.ElementClause], is_edge: bool) -> None:
        self.index += 1
        self.expect_word("tables")
        self.expect("(")
        found.append(self._element(is_edge))
        while self.accept(","):
            found.append(self._element(is_edge))
        self.expect(")")

    def _element(self, is_edge: bool) -> gs.ElementClause:
        table = self.object_name()
        alias = self.name() if self.accept_word("as") else table.name
        key = self.names_in_parentheses() if self.accept_word("key") else ()
        source = target = None
        if is_edge:
            source, target = self._end("source"), self._end("destination")
        return gs.ElementClause(table, alias, key, self._labels(), source, target)

    def _end(self, word: str) -> gs.ElementEndClause:
        self.expect_word(word)
        columns: tuple[str, ...] = ()
        if self.accept_word("key"):
            columns = self.names_in_parentheses()
            self.expect_word("references")
        position = self.position()
        alias = self.name()
        referenced = self.names_in_parentheses() if columns and self.at("(") else ()
        return gs.ElementEndClause(alias, columns, referenced, position)

    # --- labels and properties ------------------------------------------------------------------------------------

    def _labels(self) -> tuple[gs.LabelClause, ...]:
        """Labels with their properties; without any, the default label."""
        position = self.position()
        found: list[gs.LabelClause] = []
        while self.word() == "label" or (self.word() == "default" and self.word_at(1) == "label"):
            found.append(self._label_clause())
        return tuple(found) or (gs.LabelClause(None, self._properties(), position),)

    def _label_clause(self) -> gs.LabelClause:
        position = self.position()
        if self.accept_word("default"):
            self.expect_word("label")
            return gs.LabelClause(None, self._properties(), position)
        self.expect_word("label")
        return gs.LabelClause(self.name(), self._properties(), position)

    def _properties(self) -> gs.PropertyList:
        """NO PROPERTIES, PROPERTIES ALL COLUMNS (which nothing means, too), PROPERTIES (...)."""
        if self.accept_words("no", "properties"):
            return gs.PropertyList()
        if not self.accept_word("properties"):
            return gs.PropertyList(is_all=True)
        self.accept_word("are")
        if self.accept_word("all"):
            self.expect_word("columns")
            return gs.PropertyList(is_all=True)
        return gs.PropertyList(self._property_items())

    def _property_items(self) -> tuple[gs.GraphProperty, ...]:
        self.expect("(")
        found = [self._property_item()]
        while self.accept(","):
            found.append(self._property_item())
        self.expect(")")
        return tuple(found)

    def _property_item(self) -> gs.GraphProperty:
        position = self.position()
        source = self.source_expression()
        return gs.GraphProperty(source, self.label() if self.accept_word("as") else None, position)
