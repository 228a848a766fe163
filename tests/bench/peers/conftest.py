"""The peers' jobs run in environments of their own: no test imports them."""

collect_ignore = ["jobs"]
