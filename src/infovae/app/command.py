"""The console command ``infovae``, with a subcommand for each thing to do."""

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from omegaconf import DictConfig

from infovae.app import cli
from infovae.config.imports import imported
from infovae.errors import UserError
from infovae.terminal.command import VARIABLE


class Command(NamedTuple):
    """A subcommand: what it does, its ``module:function``, and its config in conf/; empty for a function without one.

    The module is imported when the command runs, so that --help needn't wait for torch.
    """

    about: str
    task: str
    config: str


COMMANDS = {
    "train": Command("train one run, or several with -m", "infovae.training.run:train", "config"),
    "evaluate": Command("measure and draw trained models", "infovae.evaluation.run:evaluate", "evaluate"),
    "fit_prior": Command(
        "fit a prior to the codes of a finished run", "infovae.evaluation.fit_prior:fit_prior", "fit_prior"
    ),
    "export": Command("write a model as torch.export programs and ONNX", "infovae.evaluation.export:export", "export"),
    "encode": Command("write the codes of examples as a table", "infovae.use.encode:encode", "encode"),
    "generate": Command("decode new codes into images", "infovae.use.generate:generate", "generate"),
    "interpolate": Command("decode the path between two images", "infovae.use.interpolate:interpolate", "interpolate"),
    "neighbours": Command("find the examples nearest to an image", "infovae.use.neighbours:neighbours", "neighbours"),
    "outliers": Command("find the examples that a model knows least", "infovae.use.outliers:outliers", "outliers"),
    "explore": Command("move through a model's codes in a browser", "infovae.use.explore:explore", "explore"),
    "push": Command("put a model on the Hugging Face Hub", "infovae.use.push:push", "push"),
    "pull": Command("get a model from the Hugging Face Hub", "infovae.use.pull:pull", "pull"),
    "dashboard": Command("compare runs in a browser", "infovae.dashboard.build:serve_or_write", "dashboard"),
    "reproduce": Command("make the paper's figures again", "infovae.reproduction.command:reproduce", "reproduce"),
    "classifier": Command(
        "train the classifier that judges samples", "infovae.training.classifier:train_classifier", "classifier"
    ),
    "workspace": Command("set up a W&B workspace for a project's runs", "infovae.app.command:workspace", ""),
    "doctor": Command("show versions, devices and what is missing", "infovae.app.doctor:doctor", ""),
}

EXAMPLES = """
  infovae train model=infovae divergence=mmd
  infovae evaluate run=outputs/DATE/TIME-infovae-mmd
  infovae dashboard runs=outputs
"""


def main(command: str | None = None) -> None:
    """Run the command line: ``infovae COMMAND ...``, or ``COMMAND ...`` where the script names the command."""
    name = command or _chosen()
    os.environ[VARIABLE] = name
    if not COMMANDS[name].config:
        _task(name)()
        return
    sys.argv[1:] = ["serve=true" if argument == "--serve" else argument for argument in sys.argv[1:]]

    def task(cfg: DictConfig) -> Any:
        return run_task(name, cfg)

    cli.run(task, COMMANDS[name].config)


def run_task(name: str, cfg: DictConfig) -> Any:
    """Run a subcommand on its config; sweepers minimise what ``train`` returns, the test loss in nats per example."""
    result = _task(name)(cfg)
    return result["test/loss"] if name == "train" else None


def workspace() -> None:
    """Save a W&B workspace and print its address."""
    parser = argparse.ArgumentParser(
        prog="infovae workspace",
        description="Set up a W&B workspace for the runs of a project. Needs an account, and the extra `wandb`.",
        epilog="examples:\n  infovae workspace\n  infovae workspace --project infovae\n"
        "  infovae workspace --project infovae --entity my-team",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--project", default="infovae")
    parser.add_argument("--entity", help="user or team; the account's own by default")
    with cli.one_line_errors():
        arguments = cli.refusing(parser, "--project NAME and --entity NAME").parse_args()
        from infovae.training.loggers.workspace import save_workspace  # here: --help answers without waiting for wandb

        print(save_workspace(arguments.project, arguments.entity))


def _task(name: str) -> Callable[..., Any]:
    module, _, function = COMMANDS[name].task.partition(":")
    return getattr(imported(module), function)


def _chosen() -> str:
    """Take the subcommand from the command line."""
    given = sys.argv[1] if len(sys.argv) > 1 else ""
    if given in COMMANDS:
        return sys.argv.pop(1)
    if "LOCAL_RANK" in os.environ and VARIABLE in os.environ:  # a further process of a data-parallel run
        return os.environ[VARIABLE]
    if given == "-sc":  # the shell's completion
        return _completed()
    listed = "\n".join(f"  {name:<12}{command.about}" for name, command in COMMANDS.items())
    usage = f"infovae COMMAND ...\n\n{listed}\n\ninfovae COMMAND --help lists a command's options.\n{EXAMPLES}"
    with cli.one_line_errors():
        if given and given not in ("-h", "--help"):
            raise UserError("unknown command", key=given, accepted=", ".join(COMMANDS))
    with cli.for_a_reader():
        print(usage)
    sys.exit(0)


def _completed() -> str:
    """Return the subcommand in the line that a shell completes, and take it out of that line for Hydra."""
    first, *words = os.environ.get("COMP_LINE", "").split(" ")
    if words and words[0] in COMMANDS:
        os.environ["COMP_LINE"] = " ".join([first, *words[1:]])
        return words[0]
    if sys.argv[2].startswith("query"):
        print(" ".join(COMMANDS))
        sys.exit(0)
    return "train"
