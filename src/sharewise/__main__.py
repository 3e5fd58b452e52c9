"""``python -m sharewise``: the command line."""

from sharewise.cli.main import main

if __name__ == "__main__":
    main()
