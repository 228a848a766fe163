"""``local://PATH``: the event log in one SQLite file, for several processes of one machine."""
