"""`schema`."""

import click


@click.command()
def schema() -> None:
    """Print the JSON schema of the configuration, for editors.

    Save it as `config.schema.json` beside the configuration, whose first line names it:
    `#:schema ./config.schema.json`.
    """
    from orderwatch.config.schema import schema_text

    click.echo(schema_text(), nl=False)
