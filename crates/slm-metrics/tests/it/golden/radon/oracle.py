"""Computes radon's metrics of one source, in the form of this crate's JSON document.

Needs radon 6.0.1 on the import path. `mi_code` is radon's index of the output of `ast.unparse` for the tree without its
docstrings; the comment term ignores multi-line strings, since no comment should count.
"""

import ast
import sys

from radon.cli.tools import cc_to_dict
from radon.complexity import cc_visit_ast, sorted_results
from radon.metrics import h_visit_ast, mi_rank, mi_visit
from radon.raw import analyze
from radon.visitors import ComplexityVisitor


class DropDocstrings(ast.NodeTransformer):
    """Removes the strings at the start of a module, class or function; an empty body gets a `pass`."""

    def _drop(self, node, filler):
        while node.body and is_string(node.body[0]):
            del node.body[0]
        if not node.body:
            node.body = filler
        return self.generic_visit(node)

    def visit_Module(self, node):
        return self._drop(node, [])

    def visit_ClassDef(self, node):
        return self._drop(node, [ast.Pass()])

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef


def is_string(node):
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def code_only(source):
    tree = DropDocstrings().visit(ast.parse(source))
    return ast.unparse(ast.fix_missing_locations(tree))


def index_of_code(source):
    # Writing a long hexadecimal literal in decimal exceeds a limit that does not apply to reading it.
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return mi_visit(code_only(source), False)
    finally:
        sys.set_int_max_str_digits(limit)


def document(source):
    """Returns all metrics of `source`; raises the exceptions of `ast.parse` and radon."""
    tree = ast.parse(source)
    halstead = h_visit_ast(tree)
    index = mi_visit(source, True)
    return {
        "raw": analyze(source)._asdict(),
        "halstead": {
            "total": halstead.total._asdict(),
            "functions": {name: report._asdict() for name, report in halstead.functions},
        },
        "cc": [cc_to_dict(block) for block in sorted_results(cc_visit_ast(tree))],
        "cc_total": ComplexityVisitor.from_ast(tree).total_complexity,
        "mi": index,
        "rank": mi_rank(index),
        "mi_code": index_of_code(source),
    }
