"""``streamgauge topics``: what the log holds."""

from pipeline.cli.options import ConfigFile, OutputFormat


def topics(config: ConfigFile = None, form: OutputFormat = None) -> None:
    """List the topics of the log, their records and sizes."""
    from pipeline.cli.output import Output
    from pipeline.cli.runtime import read_config, run
    from pipeline.cli.topic_rows import list_topics

    run(list_topics(read_config(config), Output(form)))
