"""The commands: thin, they parse, call and print; a mistake of the user becomes one paragraph here."""
