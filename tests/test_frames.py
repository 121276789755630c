"""What an exception carries: lines of its traceback where they help, and never a variable."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

import jinja2
import pytest

from airflow_connect._frames import forget_variables
from airflow_connect.api.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable

MARKED = "customer-31415"


class TimeOut(BaseException):
    """As Airflow's, which comes by a signal."""


def reads(row: dict[str, str]) -> int:
    return int(row["name"])


def caught(raises: Callable[[], Any]) -> BaseException:
    with pytest.raises(BaseException) as info:  # noqa: PT011  # any
        raises()
    error = info.value
    # What pytest has of it ends here; above stands what is still running.
    assert error.__traceback__ is not None
    error.__traceback__ = error.__traceback__.tb_next
    return error


def reported(error: BaseException) -> str:
    """Return all that a formatter can print of an exception, with the variables of every function."""
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


def because(kind: type[BaseException], *, hidden: bool = False) -> Callable[[], None]:
    def fail() -> None:
        row = {"name": MARKED}
        try:
            reads(row)
        except ValueError as error:
            if hidden:
                raise kind("failed") from None
            raise kind("failed") from error

    return fail


def test_an_exception_that_is_not_expected_keeps_its_lines() -> None:
    """Whoever looks for a mistake in a function of their own finds the line; variables are gone."""
    error = caught(because(TypeError))
    forget_variables(error)
    assert [frame.name for frame in traceback.extract_tb(error.__traceback__)] == ["fail"]
    assert error.__cause__ is not None
    assert [frame.name for frame in traceback.extract_tb(error.__cause__.__traceback__)] == ["fail", "reads"]
    assert reported(error).count(MARKED) == 1  # the words of int(), which are not ours


@pytest.mark.parametrize("kind", [RecordError, TimeOut])
def test_what_comes_in_the_middle_leaves_alone(kind: type[BaseException]) -> None:
    """The words of what it came of may hold a value; an error of ours has said what helps of them."""
    error = caught(because(kind))
    forget_variables(error)
    assert error.__cause__ is error.__context__ is None
    assert (error.__traceback__ is None) == (kind is RecordError)
    assert MARKED not in reported(error)


def test_what_is_hidden_is_gone() -> None:
    """No formatter prints what ``from None`` hides; some reporters look all the same."""
    error = caught(because(ValueError, hidden=True))
    assert error.__context__ is not None
    forget_variables(error)
    assert error.__context__ is None
    assert MARKED not in reported(error)


def test_a_template_has_variables_of_its_own() -> None:
    """Jinja shows a template as a function whose variables cannot be taken away: it is left out."""
    template = jinja2.Template("{% set customer = name %}{{ customer.address.street }}")
    error = caught(lambda: template.render(name=MARKED))
    assert MARKED in reported(error)
    forget_variables(error)
    assert MARKED not in reported(error)
    assert str(error) == "'str object' has no attribute 'address'"


def test_a_function_that_goes_on_is_left_out() -> None:
    """A generator that kept its error and waits to be asked for more has not ended."""

    def rows() -> Any:
        row = {"name": MARKED}
        try:
            reads(row)
        except ValueError as error:
            kept = error
        yield kept
        yield row

    reading = rows()
    error = next(reading)
    error.args = ("a value",)
    forget_variables(error)
    assert MARKED not in reported(error)


def test_each_of_a_group_and_of_a_circle_is_reached() -> None:
    """Errors of tasks side by side come in a group, and one may be its own cause over another."""
    one, other = caught(because(TypeError, hidden=True)), caught(because(KeyError, hidden=True))
    one.__cause__, other.__cause__ = other, one
    group: Any = ExceptionGroup("both", [one, other])
    forget_variables(group)
    assert MARKED not in reported(group)
