"""
The templates of the contacts of many rows: compiled once, rendered for each row.

Every text is a Jinja template over ``row`` and Airflow's context; Jinja's own compiler turns all of them into one
function. What a row holds is data: it is never compiled, and an author's ``row.items`` is the column ``items``, never
the method of a dict. This module does not know Airflow: the context is a mapping, and of the Dag's environment only the
filters, tests, globals and signs are used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, UndefinedError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.utils import missing, object_type_repr

from airflow_connect._templates import JOINED, TextEnvironment, in_text, joined
from airflow_connect.api.errors import InvalidRequestError
from airflow_connect.api.fields import (
    MISSING,
    TEXT_RULE,
    Fault,
    NotTextError,
    checked_key,
    describe,
    is_absent,
    key_path,
    text_in_text,
)
from airflow_connect.bulk.sources.base import alike_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jinja2 import Environment

    from airflow_connect.api.operations import Operation

__all__ = ["ContactOf", "RowError", "TextOf", "compile_contact", "compile_text"]

Values = Mapping[str, Any]
Result = TypeVar("Result")


class Rendering(Generic[Result]):
    """
    A function from a row's values to what its template renders.

    :param render: the function
    :param columns: the columns that the template names without a default: every row must have them
    """

    __slots__ = ("_result_of", "columns")

    def __init__(self, render: Callable[[Values], Result], columns: Collection[str] = ()) -> None:
        self._result_of = render
        self.columns = frozenset(columns)

    def __call__(self, values: Values) -> Result:
        """Return what a row renders."""
        return self._result_of(values)


ContactOf = Rendering[dict[str, Any]]
TextOf = Rendering[str]

#: Arguments that the operator has for all rows, or that are derived from what identifies a row.
_NOT_OF_A_ROW: Final[Mapping[str, str]] = {
    "instance_id": "is given once for all rows: instance_id of the operator",
    "client_token": "is derived from the row; give what identifies a contact as idempotency_key",
}

# Names in the compiled code that an author does not write by accident.
_RESULT: Final = "airflow_connect_result"
_BLOCK: Final = "airflow_connect_block_{}"
_CONSTANT: Final = "airflow_connect_constant_{}"
_GIVEN: Final = "airflow_connect_given"

#: Types whose values Jinja can write into code, and that cannot contain a wrapped value.
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})


class RowError(Exception):
    """
    A row cannot be rendered.

    :param faults: what is wrong with it, without anything that it holds
    """

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(str(fault) for fault in faults))
        self.faults = faults

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.faults


def compile_contact(
    contact: Mapping[str, Any] | Callable[[dict[str, Any]], Mapping[str, Any]],
    request: type[Operation],
    context: Mapping[str, Any],
    environment: Environment | None = None,
) -> ContactOf:
    """
    Compile the template of a contact into a function from a row's values to the arguments of a request.

    **A mapping**: every text in it, at any depth, is a template; keys are not. A text that is a single expression,
    ``"{{ row.amount }}"``, returns the value as it is: a number, a date, or ``None``, with which the argument or
    attribute is left out. A column that the row does not have is a fault, unless the template has a default:
    ``{{ row.nickname | default("") }}``. What does not name ``row`` is rendered once, for all rows.

    In any other text, and for Jinja's filters and operators that return text (``upper``, ``join``, ``replace``, ``~``,
    ``%``), a value is written as it would be sent alone (:func:`~airflow_connect.api.fields.text_of`): ``true``,
    ``2026-11-24``, ``12`` for 12.0. ``None`` and NaN are empty text, and bytes that are UTF-8 are text for every part
    of a template. A list, a dict or another object within text is that row's fault.

    **A function** takes the row as a dict and returns a mapping; texts in it are not templates.

    The result may be called by one thread at a time. It raises :class:`RowError`.

    :param contact: the mapping or the function
    :param request: the class of the request
    :param context: Airflow's context; only what the templates name is looked up, once
    :param environment: the Dag's Jinja environment: its filters, tests, globals (user-defined macros), loader and signs
        are taken, its class and its handling of what is undefined are not
    :raises InvalidRequestError: with all faults that do not depend on a row
    """
    if not isinstance(contact, Mapping):
        if not callable(contact):
            rule = "must be a dict of the contact's arguments, or a function from a row to one"
            raise InvalidRequestError(request.name, [Fault("contact", rule, describe(contact))])
        return Rendering(_of_function(contact))
    compiler = _Compiler(context, environment)
    built = {name: compiler.build(value, key_path("", name)) for name, value in contact.items()}
    if not compiler.faults:
        compiler.faults += _constant_faults(built, request)
    if compiler.faults:
        raise InvalidRequestError(request.name, compiler.faults)
    return Rendering(compiler.function(built), compiler.columns)


def compile_text(
    text: str,
    context: Mapping[str, Any],
    environment: Environment | None = None,
    *,
    operation: str,
    name: str = "idempotency_key",
) -> TextOf:
    """
    Compile a template into a function from a row's values to text that identifies the row.

    At least one of its expressions over ``row`` must not be empty: a key of which only ``order-`` is left would be the
    same for all such rows, and for those of other days too.

    :param text: the template; it must name ``row``
    :param context: as for :func:`compile_contact`
    :param environment: as for :func:`compile_contact`
    :param operation: the API operation that it is for
    :param name: what faults call it
    :raises InvalidRequestError: if it is not a template, or the same for every row
    """
    compiler = _Compiler(context, environment)
    parts = compiler.parts(text, name) if isinstance(text, str) else [text]
    of_row = [_is_node(part) for part in parts]
    if not compiler.faults and not any(of_row):
        rule = "must name a column of the row ({{ row.… }}), or every row would have the same one"
        compiler.faults.append(Fault(name, rule, describe(text)))
    if compiler.faults:
        raise InvalidRequestError(operation, compiler.faults)
    render = compiler.function(parts)

    def text_of(values: Values) -> str:
        try:
            texts = [in_text(part) for part in render(values)]
        except (RowError, UndefinedError):
            raise
        except Exception as error:  # noqa: BLE001  # a value of any type may raise anything
            raise RowError(compiler.explain(name, error)) from None
        if not any(part.strip() for part, counts in zip(texts, of_row, strict=True) if counts):
            rule = "must not be empty: every contact with an empty key would be the same one"
            raise RowError(Fault(name, rule, "nothing from this row"))
        if missing := [part for part, counts in zip(texts, of_row, strict=True) if counts and part.strip() in MISSING]:
            rule = "must name something of the row: this is how Python writes a value that is missing"
            raise RowError(Fault(name, rule, f"the text {missing[0].strip()}"))
        key, fault = checked_key("".join(texts), name)
        if fault is not None:
            raise RowError(fault)
        return key

    return Rendering(text_of, compiler.columns)


def _constant_faults(built: Mapping[str, Any], request: type[Operation]) -> Iterator[Fault]:
    """Yield what is wrong with a contact whatever the row holds."""
    for name in built.keys() & _NOT_OF_A_ROW.keys():
        yield Fault(f"contact.{name}", _NOT_OF_A_ROW[name], "in contact")
    of_row = {name for name, value in built.items() if _is_node(value)}
    unknown = dict.fromkeys(of_row - set(request.parameters), "a template")
    of_row -= unknown.keys()
    constant = {
        name: value
        for name, value in built.items()
        if name not in of_row and name not in _NOT_OF_A_ROW and not is_absent(value)
    }
    # The instance is not part of the contact; any will do here.
    _, faults = request.check({"instance_id": "any", **constant, **unknown})
    for fault in faults:
        field = re.split(r"[.\[]", fault.field)[0]
        # What is missing may come with the row: the argument itself, or another one that the rule names.
        if field in constant or not of_row & {field, *re.findall(r"\w+", fault.rule)}:
            yield fault


def _of_function(function: Callable[[dict[str, Any]], Mapping[str, Any]]) -> Callable[[Values], dict[str, Any]]:
    rule = "the function must return a dict of the contact's arguments for every row"

    def contact_of(values: Values) -> dict[str, Any]:
        try:
            result = function(dict(values))
        except Exception as error:  # noqa: BLE001  # it is the author's code
            # Its message may hold what the row holds.
            inside = error.__traceback__.tb_next if error.__traceback__ else None
            given = type(error).__name__ + (f" in line {inside.tb_lineno}" if inside else "")
            raise RowError(Fault("contact", "the function raised an error for this row", given)) from None
        if not isinstance(result, Mapping):
            raise RowError(Fault("contact", rule, describe(result)))
        for name in _NOT_OF_A_ROW:
            if name in result:
                raise RowError(Fault(f"contact.{name}", _NOT_OF_A_ROW[name], "in contact"))
        return dict(result)

    return contact_of


# ------------------------------------------------------------------------------------------------------------
# What templates see


class _Row(dict[str, Any]):
    """A row, or a dict in one: data without methods for a template."""

    __slots__ = ()


def _as_row(values: Values) -> _Row:
    for value in values.values():
        if type(value) not in _SCALARS:
            return _Row({name: _without_methods(value) for name, value in values.items()})
    return _Row(values)


def _without_methods(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _as_row(value)
    if isinstance(value, (list, tuple)):
        return [_without_methods(item) for item in value]
    if isinstance(value, (bytes, bytearray)):
        try:
            return value.decode("utf-8-sig")
        except UnicodeDecodeError:
            return value
    return value


class _Environment(TextEnvironment):
    """
    Jinja's sandbox, with the columns of a row instead of its attributes, and the names of the Dag's environment.

    What a template makes of values has one form, see :mod:`airflow_connect._templates`.

    :param environment: the Dag's
    """

    def __init__(self, environment: Environment | None) -> None:
        #: Names that an author wrote. Others are computed, maybe from what a row holds, and messages do not show them.
        self.written: set[str] = set()
        #: Columns that a template names without a default.
        self.columns: set[str] = set()
        super().__init__(undefined=_undefined_type(self.written, self.columns))
        if environment is not None:
            for sign in (
                *("block_start_string", "block_end_string", "variable_start_string", "variable_end_string"),
                *("comment_start_string", "comment_end_string", "line_statement_prefix", "line_comment_prefix"),
                *("trim_blocks", "lstrip_blocks", "newline_sequence", "keep_trailing_newline", "loader"),
            ):
                setattr(self, sign, getattr(environment, sign))
            for extension in environment.extensions.values():
                self.add_extension(type(extension))
            self.filters.update(environment.filters)
            self.tests.update(environment.tests)
            self.globals.update(environment.globals)
        self.write_one_form()
        self.filters[_GIVEN] = _given

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return the column of a row, or what the sandbox allows of anything else."""
        if type(obj) is _Row:
            try:
                return obj[attribute]
            except KeyError:
                return self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return the column of a row, or what the sandbox allows of anything else."""
        if type(obj) is _Row:
            try:
                return obj[argument]
            except KeyError:
                return self.undefined(obj=obj, name=argument)
        return super().getitem(obj, argument)

    def unsafe_undefined(self, obj: Any, attribute: str) -> Undefined:
        """Return what raises when it is used: the sandbox does not allow the attribute."""
        return self.undefined(obj=obj, name=attribute, exc=SecurityError)


def _undefined_type(written: set[str], columns: set[str]) -> type[StrictUndefined]:
    """Return the type of what is undefined, whose message shows only names that the author wrote."""

    class Missing(StrictUndefined):
        __slots__ = ()

        @property
        def _undefined_message(self) -> str:
            if self._undefined_hint:
                return self._undefined_hint
            obj, name = self._undefined_obj, self._undefined_name
            shown = repr(name) if name in written else "something computed"
            if self._undefined_exception is SecurityError:
                return f"the sandbox does not allow {shown} of {object_type_repr(obj)}"
            if obj is missing:
                return f"{shown} does not exist"
            if type(obj) is _Row:
                # Of the row's own names only one that the author meant: in a file without a header they are data.
                alike = alike_name(name, list(map(str, obj)), columns) if name is not None and name in written else None
                hint = f"; it has {key_path('', alike)}" if alike else ""
                count = f"{len(obj):,} column{'' if len(obj) == 1 else 's'}"
                return f"the row does not have {shown} among its {count}{hint}"
            return f"{object_type_repr(obj)} does not have {shown}"

    return Missing


def _given(value: Any) -> Any:
    """Return a value; an undefined one raises when it is turned into text."""
    if isinstance(value, Undefined):
        str(value)
    return value


def _has_no_text(value: Any) -> bool:
    try:
        text_in_text(value)
    except NotTextError:
        return True
    return False


# ------------------------------------------------------------------------------------------------------------
# Compilation


class _Compiler:
    """
    Turn templates into nodes of Jinja's syntax tree, and those into one function.

    What depends on the row is a node, and everything else is its value already.

    :param context: Airflow's context
    :param environment: the Dag's Jinja environment
    """

    def __init__(self, context: Mapping[str, Any], environment: Environment | None) -> None:
        self._context = context
        self._environment = _Environment(environment)
        #: What templates see, and values that cannot be written into code.
        self._variables: dict[str, Any] = dict(self._environment.globals)
        #: Statements of the templates that are more than text and expressions.
        self._blocks: list[nodes.Node] = []
        #: What renders each template that depends on the row, by its place.
        self._alone: dict[str, Callable[[], Any]] = {}
        self.columns = self._environment.columns
        self.faults: list[Fault] = []

    def build(self, value: Any, path: str) -> Any:
        """Return a value of the author's, or a node if a template in it depends on the row; collect faults."""
        if isinstance(value, str):
            parts = self.parts(value, path)
            if len(parts) == 1:
                return parts[0]
            if not any(map(_is_node, parts)):
                return "".join(parts)
            return _filter(self._node(parts), JOINED)
        if isinstance(value, Mapping):
            items = {key: self.build(item, key_path(path, key)) for key, item in value.items()}
            return self._node(items) if any(map(_is_node, items.values())) else items
        if isinstance(value, (list, tuple)):
            members = [self.build(item, f"{path}[{index}]") for index, item in enumerate(value)]
            return self._node(members) if any(map(_is_node, members)) else members
        return value

    def parts(self, source: str, path: str) -> list[Any]:
        """Return what a template consists of: the texts and values that are the same for all rows, and nodes."""
        try:
            tree = self._environment.parse(source)
            self._look_up(tree)
            self.columns |= _columns(tree)
            parts, blocks = self._split(tree)
            if len(parts) > 1:
                parts = [part if _is_node(part) else in_text(part) for part in parts]
            if any(map(_is_node, parts)):
                self._alone[path] = self._compile(self._node(parts), blocks)
                self._blocks += blocks
        except TemplateSyntaxError as error:
            self.faults.append(Fault(path, f"must be a template: {error.message}", f"line {error.lineno}"))
        except Exception as error:  # noqa: BLE001  # what is the same for all rows is rendered here: author's code
            self.faults.append(self.explain(path, error))
        else:
            return parts
        return []

    def _look_up(self, tree: nodes.Template) -> None:
        """Take from Airflow's context what a template names, and refuse unknown names."""
        self._environment.written.update(_written(tree))
        names = meta.find_undeclared_variables(tree)
        # The globals are not among them, but as in Airflow's templates the context comes first.
        names.update(node.name for node in tree.find_all(nodes.Name) if node.name in self._environment.globals)
        if any(tree.find_all(_OTHER_TEMPLATES)):
            names.update(self._context)
        for name in sorted(names - {"row"}):
            if name in self._context:
                self._variables[name] = self._context[name]
            elif name not in self._variables and name not in _accounted_for(tree):
                raise UndefinedError(f"{name!r} does not exist")

    def _split(self, tree: nodes.Template) -> tuple[list[Any], list[nodes.Node]]:
        """Return the parts of a template, and the statements that must run before them."""
        if all(isinstance(node, nodes.Output) for node in tree.body):
            parts = [node for output in tree.body for node in output.iter_child_nodes()]
            return [self._part(node) for node in parts], []
        name = _BLOCK.format(len(self._blocks))
        block = nodes.AssignBlock(nodes.Name(name, "store"), None, tree.body, lineno=1)
        part = nodes.Name(name, "load")
        return ([part], [block]) if _depends_on_row(tree) else ([self._compile(part, [block])()], [])

    def _part(self, node: nodes.Node) -> Any:
        """Return a text or the value of an expression that is the same for all rows, any other expression as a node."""
        if isinstance(node, nodes.TemplateData):
            return node.data
        return _filter(node, _GIVEN) if _depends_on_row(node) else self._compile(_filter(node, _GIVEN), [])()

    def function(self, built: Any) -> Callable[[Values], Any]:
        """Return the function from a row's values to what was built, with the templates' results in it."""
        render = self._compile(self._node(built), self._blocks)
        variables, alone = self._variables, self._alone

        def of_row(values: Values) -> Any:
            try:
                variables["row"] = _as_row(values)
                return render()
            except Exception as error:  # noqa: BLE001  # a template can call author's code
                # The one function does not show in which template it failed, nor whether another fails as well.
                raise RowError(*(list(self._faults_alone(alone)) or [self.explain("contact", error)])) from None

        return of_row

    def _faults_alone(self, templates: Mapping[str, Callable[[], Any]]) -> Iterator[Fault]:
        """Yield what is wrong with each template of a row."""
        for path, render in templates.items():
            try:
                if len(parts := render()) > 1:
                    joined(parts)
            except Exception as error:  # noqa: BLE001  # a template can call author's code
                yield self.explain(path, error)

    def explain(self, path: str, error: Exception) -> Fault:
        """Return what is wrong with a template, without the message of an error that may hold what the row holds."""
        if isinstance(error, NotTextError):
            row = self._variables.get("row", {})
            named = [name for name in row if name in self._environment.written and _has_no_text(row[name])]
            column = f" in column {', '.join(named)}" if named else ""
            return Fault(path, f"within text, a value {TEXT_RULE}", f"{error}{column}")
        if isinstance(error, (UndefinedError, SecurityError)):
            return Fault(path, "the template names what does not exist", str(error))
        return Fault(path, "the template must render for every row", type(error).__name__)

    def _compile(self, result: nodes.Node, blocks: list[nodes.Node]) -> Callable[[], Any]:
        body = [*blocks, nodes.Assign(nodes.Name(_RESULT, "store"), result, lineno=1)]
        template = self._environment.from_string(nodes.Template(body, lineno=1))
        # One context for all rows: what a template sets stays in its block, so that the context keeps nothing of a row.
        context = template.new_context(self._variables, shared=True)
        run, found = template.root_render_func, context.vars

        def render() -> Any:
            for _ in run(context):
                pass
            return found[_RESULT]

        return render

    def _node(self, value: Any) -> Any:
        """Return the node of a value, which may contain nodes."""
        if _is_node(value):
            return value
        if isinstance(value, Mapping):
            return nodes.Dict([nodes.Pair(self._node(key), self._node(item)) for key, item in value.items()])
        if isinstance(value, list) and any(map(_is_node, value)):
            return nodes.List([self._node(item) for item in value])
        if type(value) in _SCALARS:
            return nodes.Const(value)
        name = _CONSTANT.format(len(self._variables))
        self._variables[name] = value
        return nodes.Name(name, "load")


def _filter(node: Any, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None)


_OTHER_TEMPLATES: Final = (nodes.Include, nodes.Import, nodes.FromImport)


def _is_node(value: Any) -> bool:
    return isinstance(value, nodes.Node)


def _depends_on_row(node: nodes.Node) -> bool:
    """Return whether a part of a template may differ between rows; other templates may name the row."""
    if isinstance(node, _OTHER_TEMPLATES) or (isinstance(node, nodes.Name) and node.name == "row"):
        return True
    return any(map(_depends_on_row, node.iter_child_nodes()))


def _columns(tree: nodes.Template) -> set[str]:
    """Return the columns that a template names without a default."""
    if any(node.ctx != "load" for node in tree.find_all(nodes.Name) if node.name == "row"):
        return set()  # it assigns to the name
    optional: set[str] = set()
    beside: set[int] = set()
    for node in tree.find_all((nodes.Filter, nodes.Test)):
        if node.name in {"default", "d"}:
            # What replaces a missing column may be missing as well.
            beside.update(id(one) for one in (node.node, *node.args, *(pair.value for pair in node.kwargs)))
        elif node.name in {"defined", "undefined"} and (name := _column(node.node)):
            optional.add(name)
    for compare in tree.find_all(nodes.Compare):
        tests_row = compare.ops[0].op in {"in", "notin"} and _is_row(compare.ops[0].expr)
        if tests_row and isinstance(compare.expr, nodes.Const):
            optional.add(compare.expr.value)
    found = {_column(node) for node in tree.find_all((nodes.Getattr, nodes.Getitem)) if id(node) not in beside}
    return {name for name in found if name is not None} - optional


def _is_row(node: nodes.Node | None) -> bool:
    return isinstance(node, nodes.Name) and node.name == "row"


def _column(node: nodes.Node | None) -> str | None:
    """Return the column that an expression is: ``row.x`` or ``row["x"]``."""
    if isinstance(node, nodes.Getattr) and _is_row(node.node):
        return str(node.attr)
    if isinstance(node, nodes.Getitem) and _is_row(node.node) and isinstance(node.arg, nodes.Const):
        return node.arg.value if isinstance(node.arg.value, str) else None
    return None


def _written(tree: nodes.Template) -> Iterator[str]:
    """Yield the names that a template contains."""
    for node in tree.find_all((nodes.Name, nodes.Getattr, nodes.Const)):
        name = getattr(node, {nodes.Name: "name", nodes.Getattr: "attr"}.get(type(node), "value"))
        if isinstance(name, str):
            yield name


def _accounted_for(tree: nodes.Template) -> set[str]:
    """Return the names that a template sets somewhere, or for which it has a default."""
    names = {node.name for node in tree.find_all(nodes.Name) if node.ctx == "store"}
    for node in tree.find_all((nodes.Filter, nodes.Test)):
        if node.name in {"default", "d", "defined", "undefined"} and isinstance(node.node, nodes.Name):
            names.add(node.node.name)
    return names
