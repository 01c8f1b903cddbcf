"""What every command of ours shares."""

from __future__ import annotations

import click


class Command(click.Command):
    """A command whose usage errors never show what was typed: it may be a cv_code."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            near = f" Did you mean {error.possibilities[0]}?" if error.possibilities else ""
            raise click.UsageError(
                f"there is no such option.{near} A code that begins with a dash goes behind '--'.",
                ctx,
            ) from None
        except click.UsageError as error:
            if type(error) is click.UsageError:
                raise click.UsageError("there is an argument too many.", ctx) from None
            raise


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Write JSON, one object a line, for programs."
)
