"""What a shell is told, so that it completes commands, files, HDUs and codecs."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print what makes SHELL complete commands, files, HDUs and codecs.

    \b
    bash:  eval "$(rustfits completion bash)"   in ~/.bashrc
    zsh:   eval "$(rustfits completion zsh)"    in ~/.zshrc
    fish:  rustfits completion fish > ~/.config/fish/completions/rustfits.fish
    """  # noqa: D301  # click takes the backspace for: keep these lines
    from click.shell_completion import BashComplete, get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.ClickException(f"there is no completion for {shell}")
    completion = kind(ctx.find_root().command, {}, "rustfits", "_RUSTFITS_COMPLETE")
    # The script is text; bash is not started to ask for its version.
    source = completion.source_template % completion.source_vars() if kind is BashComplete else completion.source()
    click.echo(source)
