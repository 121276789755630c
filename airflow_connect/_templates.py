"""
What templates make of values: one form within text, and no guesses at what a text might stand for.

Python and Jinja write ``True``, ``b'Kim'`` and the address of an object into text; here each value has the form that it
has where it is sent alone (:func:`~airflow_connect.api.fields.text_of`), in ``{{ … }}`` with text around it and in what
makes text of values: Jinja's filters, ``~``, ``%`` and ``format``. ``None`` is empty text.

In a Dag that has ``render_template_as_native_obj=True``, Airflow and Jinja take any rendered text that looks like a
Python literal for that literal, also where it has no ``{{ }}``: ``+41791234567`` loses its sign, ``12.50`` its zero,
and the keys ``1e3`` and ``1000.0`` become one. Here text stays text, and a value that a single expression gives stays
what it is. Knows Jinja, and no Airflow.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from datetime import date, time
from numbers import Number
from operator import index
from typing import TYPE_CHECKING, Any, Final, cast

from jinja2 import Undefined, nodes
from jinja2.filters import FILTERS, make_attrgetter
from jinja2.nativetypes import NativeCodeGenerator
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import htmlsafe_json_dumps
from jinja2.visitor import NodeTransformer

from airflow_connect.api.fields import NotTextError, json_of, json_scalar, text_in_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from jinja2 import Environment

__all__ = ["JOINED", "TextEnvironment", "in_text", "is_native", "joined", "joined_native", "with_one_form"]

#: The name of a filter that joins the texts of values; no author can write it by accident.
JOINED: Final = "airflow_connect_text"

#: Filters of Jinja's that make text of what they get.
_MAKE_TEXT: Final = (
    *("capitalize", "center", "e", "escape", "forceescape", "format", "indent", "join", "lower", "replace", "safe"),
    *("pprint", "string", "striptags", "title", "tojson", "trim", "truncate", "upper", "urlencode", "urlize"),
    *("wordcount", "wordwrap", "xmlattr"),
)


def in_text(value: Any) -> str:
    """
    Return the text of a value within other text.

    :param value: the value; what is undefined raises what is missing
    :raises NotTextError: if it has no form as text
    """
    if type(value) is str or (isinstance(value, str) and hasattr(value, "__html__")):  # escaped, or safe as it is
        return value
    return str(value) if isinstance(value, Undefined) else text_in_text(value)


def _in_text_or_as_jinja_does(value: Any) -> str:
    try:
        return in_text(value)
    except NotTextError:
        return str(value)


def joined(parts: Iterable[Any]) -> str:
    """Return the text of values one after the other, as :func:`in_text` writes each."""
    return "".join([part if type(part) is str else in_text(part) for part in parts])


def _json(value: Any, indent: int | None = None) -> str:
    return json_of(value, json_scalar, indent=indent, sort_keys=True)


class TextEnvironment(SandboxedEnvironment):
    """
    Jinja's sandbox, in which a value has one form within text, whatever puts it there.

    The class of an environment that is there already can be replaced by this one: it has no state of its own.
    """

    #: Whether a value without such a form is an error. Else it is written as Jinja does.
    refuses: bool = True

    #: Returns the text of a value within other text.
    in_text: Callable[[Any], str]

    def write_one_form(self) -> None:
        """Let expressions and Jinja's own filters write values so; call it once the filters of others are there."""
        self.in_text = in_text if self.refuses else _in_text_or_as_jinja_does
        self.finalize = self.in_text
        self.filters = dict(self.filters)
        for name in _MAKE_TEXT:
            if self.filters.get(name) is FILTERS[name]:  # the author may have one of that name
                self.filters[name] = self._of_texts(FILTERS[name])
        self.filters[JOINED] = joined if self.refuses else lambda parts: "".join(map(self.in_text, parts))

    def _shown(self, value: Any) -> Any:
        """Return what ``{}`` writes as any other text has it, and formats numbers and dates as Python does."""
        if not self.refuses:
            try:
                in_text(value)
            except NotTextError:
                return value
        return _Shown(value)

    def _for_percent(self, value: Any) -> Any:
        """Return what ``%s`` writes as any other text has it, and ``%d`` and ``%.2f`` as Python does."""
        return value if type(value) in {str, int} or isinstance(value, Undefined) else self._shown(value)

    intercepted_binops = frozenset({"%"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Let ``"%s" % value`` write a value as it stands in text."""
        del context, operator
        given: Any = right
        if isinstance(left, str):
            if isinstance(right, Mapping):
                shown = {name: self._for_percent(value) for name, value in right.items()}
                given = _ShownItems(shown) if self.refuses else shown
            else:
                given = tuple(map(self._for_percent, right)) if isinstance(right, tuple) else self._for_percent(right)
        return left % given

    def call(self, context: Any, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Let ``"{}".format(value)`` and ``format_map`` write a value as it stands in text."""
        method = getattr(obj, "__wrapped__", obj)  # Jinja wraps it, from 3.1.5 on
        if isinstance(getattr(method, "__self__", None), str):
            match getattr(method, "__name__", ""):
                case "format":
                    args = tuple(map(self._shown, args))
                    kwargs = {name: self._shown(value) for name, value in kwargs.items()}
                case "format_map" if len(args) == 1 and isinstance(args[0], Mapping):
                    args = ({name: self._shown(value) for name, value in args[0].items()},)
        return super().call(context, obj, *args, **kwargs)

    def parse(self, source: str, name: str | None = None, filename: str | None = None) -> nodes.Template:
        """Return the syntax tree of a template, in which ``~`` joins what our rule for text gives."""
        tree: nodes.Template = _Concatenated().visit(super().parse(source, name, filename))
        return tree

    def compile(self, source: Any, name: str | None = None, filename: str | None = None, *args: Any, **kw: Any) -> Any:
        """Compile a template, also one that another one includes."""
        if isinstance(source, str):
            source = self.parse(source, name, filename)
        return super().compile(source, name, filename, *args, **kw)

    def _of_texts(self, jinjas: Callable[..., Any]) -> Callable[..., Any]:
        """Return a filter of Jinja's that gets the texts of values, instead of what Python's ``str`` makes of them."""
        before = 1 if hasattr(jinjas, "jinja_pass_arg") else 0

        @functools.wraps(jinjas)
        def of_texts(*args: Any, **kwargs: Any) -> Any:
            context, value, more = args[:before], args[before], args[before + 1 :]
            match jinjas.__name__:
                case "do_format":
                    more = tuple(map(self._for_percent, more))
                    kwargs = {name: self._for_percent(one) for name, one in kwargs.items()}
                case "do_replace":
                    more = (*map(self.in_text, more[:2]), *more[2:])
                case "do_join" if not isinstance(value, str):
                    attribute = kwargs.pop("attribute", None) or (more[1] if len(more) > 1 else None)
                    items = map(make_attrgetter(context[0].environment, attribute), value) if attribute else value
                    return jinjas(*context, [self.in_text(item) for item in items], *more[:1], **kwargs)
                case "do_urlencode" if isinstance(value, (Mapping, list, tuple)):
                    pairs = value.items() if isinstance(value, Mapping) else value
                    return jinjas(*context, [(name, self.in_text(one)) for name, one in pairs], *more, **kwargs)
                case "do_pprint":
                    return repr(str(value)) if isinstance(value, str) else self.in_text(value)
                case "do_tojson":
                    try:
                        options = dict(zip(("indent",), more, strict=False)) | kwargs
                        return htmlsafe_json_dumps(value, _json, **options)
                    except NotTextError:
                        if self.refuses:
                            raise
                        return jinjas(*context, value, *more, **kwargs)
                case "do_xmlattr":
                    shown = {
                        name: one if one is None or isinstance(one, Undefined) else self.in_text(one)
                        for name, one in value.items()
                    }
                    return jinjas(*context, shown, *more, **kwargs)
            return jinjas(*context, value if hasattr(value, "__html__") else self.in_text(value), *more, **kwargs)

        return of_texts


class _Shown:
    """
    A value for ``{}`` and ``%s``, which write it as any other text does; a format of numbers or dates gets those.

    :param value: the value
    """

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __getattr__(self, name: str) -> Any:
        return _Shown(getattr(self._value, name))

    def __getitem__(self, key: Any) -> Any:
        return _Shown(self._value[key])

    def __str__(self) -> str:
        return in_text(self._value)

    def __repr__(self) -> str:
        return repr(str(self)) if isinstance(self._value, str) else str(self)

    def __format__(self, spec: str) -> str:
        is_formatted = isinstance(self._value, (Number, date, time)) and not isinstance(self._value, bool)
        # Without text there is nothing to format: NaN and infinities have formats.
        return format(self._value if is_formatted and str(self) else str(self), spec) if spec else str(self)

    def __int__(self) -> int:
        return int(self._value)

    def __index__(self) -> int:
        return index(self._value)

    def __float__(self) -> float:
        found = float(self._value)
        if not math.isfinite(found):
            raise NotTextError(self._value)
        return found


class _ShownItems(dict[str, Any]):
    """What ``%(name)s`` takes its values from; ``%s`` does not write all of it."""

    def __repr__(self) -> str:
        raise NotTextError(dict(self))


class _Concatenated(NodeTransformer):
    """Replace ``a ~ b``, for which Jinja asks Python's ``str``."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802  # Jinja's name
        members = [self.visit(one) for one in node.nodes]
        return nodes.Filter(nodes.List(members, lineno=node.lineno), JOINED, [], [], None, None, lineno=node.lineno)


# --- Environments of Airflow's ------------------------------------------------------------------------------------


class _NativeEnvironment(TextEnvironment):
    """The same for an environment of native objects, which is not a sandbox."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Allow what Airflow allows there."""
        del obj, attr, value
        return True

    def is_safe_callable(self, obj: Any) -> bool:
        """Allow what Airflow allows there."""
        del obj
        return True


class _UnfoldedCode(NativeCodeGenerator):
    """Code in which the value of ``{{ 17 }}`` is a number until it is joined: Jinja folds constants into the text."""

    def _output_child_to_const(self, node: nodes.Expr, frame: Any, finalize: Any) -> Any:
        if not isinstance(node, nodes.TemplateData):
            raise nodes.Impossible
        return super()._output_child_to_const(node, frame, finalize)


@functools.cache
def _class_of(base: Any, mixin: Any) -> type[TextEnvironment]:
    return type(mixin.__name__, (mixin, base), {})


def with_one_form(environment: Environment, *, native: bool, refuses: bool) -> Environment:
    """
    Return an environment in which values have one form within text, and that is else as the one given.

    :param environment: of a Dag or a task, or one that this function made
    :param native: whether it renders native objects: then text stays text, and :func:`joined_native` joins what a
        template gives
    :param refuses: whether a value without such a form is an error
    """
    if isinstance(environment, TextEnvironment):
        if environment.refuses is refuses:
            return environment
        environment = cast("Environment", environment.linked_to)  # what it is an overlay of
    made: Any = environment.overlay()
    made.__class__ = _class_of(made.__class__, _NativeEnvironment if native else TextEnvironment)
    made.refuses = refuses
    made.write_one_form()
    if given := environment.finalize:  # the author's, which keeps the last word on what a value is
        in_text_of = made.in_text
        made.finalize = lambda value: in_text_of(given(value))
    if native:
        made.finalize = None
        made.code_generator_class = _UnfoldedCode
        # Macros and {% set %} blocks join their pieces by this as well.
        made.concat = functools.partial(joined_native, made)
    return cast("TextEnvironment", made)


def is_native(environment: Environment) -> bool:
    """Return whether :func:`with_one_form` made the environment to render native objects."""
    return isinstance(environment, _NativeEnvironment)


def joined_native(environment: Any, pieces: Iterable[Any]) -> Any:
    """
    Return what a template rendered: the value of its one expression, or the text of all that is in it.

    :param environment: the template's, of native objects
    :param pieces: the texts and values of which it consists; blank text around a value does not belong to it
    """
    pieces = list(pieces)
    values = [piece for piece in pieces if not (isinstance(piece, str) and not piece.strip())]
    if len(values) == 1 and not isinstance(values[0], str | Undefined):
        return values[0]
    return "".join(map(environment.in_text, pieces))
