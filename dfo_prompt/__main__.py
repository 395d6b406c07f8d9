"""`python -m dfo_prompt` is `dfo-prompt`."""

from dfo_prompt.cli import main

if __name__ == "__main__":
    main()
