"""
What a template gives in a Dag that has ``render_template_as_native_obj=True``.

Airflow and Jinja take any rendered text that looks like a Python literal for that literal, also where it has no
``{{ }}``: ``+41791234567`` loses its sign, ``12.50`` its zero, and the keys ``1e3`` and ``1000.0`` become one. Here
text stays text, and a value that one sole expression gives stays what it is. Knows Jinja, and no Airflow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from jinja2 import Undefined, nodes
from jinja2.nativetypes import NativeCodeGenerator

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jinja2 import Environment

__all__ = ["join", "keeping_text", "keeps_text"]


def join(pieces: Iterable[Any]) -> Any:
    """
    Return what a template rendered: the value of its one expression, or the text of all that is in it.

    :param pieces: the texts and values of which it consists; blank text around a value does not belong to it
    """
    pieces = list(pieces)
    values = [piece for piece in pieces if not (isinstance(piece, str) and not piece.strip())]
    if len(values) == 1 and not isinstance(values[0], str | Undefined):
        return values[0]
    return "".join(map(str, pieces))


class _UnfoldedCode(NativeCodeGenerator):
    """Code in which the value of ``{{ 17 }}`` is a number until it is joined: Jinja folds constants into the text."""

    def _output_child_to_const(self, node: nodes.Expr, frame: Any, finalize: Any) -> Any:
        if not isinstance(node, nodes.TemplateData):
            raise nodes.Impossible
        return super()._output_child_to_const(node, frame, finalize)


def keeping_text(environment: Environment) -> Environment:
    """
    Return an environment in which text stays text, and is else as the one given.

    :param environment: the environment of a Dag that renders native objects
    """
    overlay = environment.overlay()
    overlay.code_generator_class = _UnfoldedCode
    # Macros and {% set %} blocks join their pieces by this as well.
    overlay.concat = join  # type: ignore[method-assign]  # as Jinja does in NativeEnvironment
    return overlay


def keeps_text(environment: Environment) -> bool:
    """Return whether :func:`keeping_text` made the environment."""
    return cast("Any", environment.concat) is join
