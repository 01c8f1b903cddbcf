"""What every command of ours shares."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

import click


class Command(click.Command):
    """A command whose usage errors never show what was typed: it may be a cv_code."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        typed = list(args)  # What is parsed is taken out of it.
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            near = f" Did you mean {error.possibilities[0]}?" if error.possibilities else ""
            raise click.UsageError(
                f"there is no such option.{near} A code that begins with a dash goes behind '--'.",
                ctx,
            ) from None
        except click.MissingParameter:
            raise  # It shows what was not typed.
        except click.BadParameter as error:
            if error.param is None:
                raise
            message = f"Invalid value for {error.param.get_error_hint(ctx)}: "
            raise click.UsageError(message + _expected(error.param, typed), ctx) from None
        except click.UsageError as error:
            if type(error) is click.UsageError:
                raise click.UsageError("there is an argument too many.", ctx) from None
            raise


def _expected(parameter: click.Parameter, typed: Sequence[str]) -> str:
    """What its value may be; of words, the one that what was typed is nearest to."""
    kind = parameter.type
    if isinstance(kind, click.IntRange):
        bounds = ("" if kind.min is None else f" from {kind.min}") + (
            "" if kind.max is None else f" to {kind.max}"
        )
        return f"expected a whole number{bounds}."
    if not isinstance(kind, click.Choice):
        return "expected another one."
    words = [str(choice) for choice in kind.choices]
    texts = [arg.rpartition("=")[2].lower() for arg in typed]
    near = [word for text in texts for word in get_close_matches(text, words, n=1)]
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"expected one of {', '.join(words)}.{hint}"


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Write JSON, one object a line, for programs."
)
