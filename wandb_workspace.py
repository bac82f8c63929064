"""Set up a W&B workspace for the runs of a project; wants an account and pip install -e '.[wandb]'.

python wandb_workspace.py
python wandb_workspace.py --project infovae --entity my-team
"""

import argparse

from infovae.app import cli


def main() -> None:
    """Save the workspace and print its address."""
    from infovae.training.loggers.workspace import save_workspace

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", default="infovae")
    parser.add_argument("--entity", default=None, help="user or team; the account's own by default")
    with cli.one_line_errors():
        arguments = cli.refusing(parser, "--project NAME and --entity NAME").parse_args()
        print(save_workspace(arguments.project, arguments.entity))


if __name__ == "__main__":
    main()
