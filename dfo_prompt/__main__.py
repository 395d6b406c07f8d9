"""The program `dfo-prompt`, or `python -m dfo_prompt`: restarts itself under a supervisor."""

import sys

from dfo_prompt._util.supervisor import Supervisor, can_supervise, supervise

QUICK = {"list", "show", "--help", "-h", "--version"}
"""Commands that run no plugin code beyond listing: a second process would only double their start-up time."""


def main() -> None:
    """Run the program and exit with its status; see `dfo_prompt.cli.main`."""
    supervisor = Supervisor.of_this_process()
    if supervisor is None and can_supervise() and not QUICK.intersection(sys.argv[1:2]):
        sys.exit(supervise())
    from dfo_prompt.cli import main as program  # noqa: PLC0415 - the supervisor imports nothing that can fail

    program(supervisor=supervisor)


if __name__ == "__main__":
    main()
