"""How many partitions of each topic a member of a group may own. A pure function, so that all members agree."""

from collections.abc import Collection, Mapping


def shares(
    partitions: Mapping[str, int],
    subscriptions: Mapping[str, Collection[str]],
    held: Mapping[tuple[str, str], int],
) -> dict[tuple[str, str], int]:
    """The fair share of each member in each topic.

    The partitions of a topic are divided evenly over the members that subscribe to it. What is left over after that
    goes, one each, to those whose total over the topics before is smallest, so that totals too differ by at most one
    when all subscribe to the same topics; among equals to those who hold most of the topic already, so that nothing
    moves without need; then by name.

    Args:
        partitions: Number of partitions of each topic.
        subscriptions: Topics of each live member.
        held: Number of partitions held, by topic and member; none where missing.

    Returns:
        Number of partitions by topic and member.

    >>> shares({"a": 3, "b": 3}, {"x": ["a", "b"], "y": ["a", "b"]}, {("a", "y"): 3})
    {('a', 'x'): 1, ('a', 'y'): 2, ('b', 'x'): 2, ('b', 'y'): 1}
    """
    totals = dict.fromkeys(sorted(subscriptions), 0)
    result: dict[tuple[str, str], int] = {}
    for topic in sorted(partitions):
        members = [member for member in totals if topic in subscriptions[member]]
        if not members:
            continue
        each, left = divmod(partitions[topic], len(members))
        order = sorted(members, key=lambda member: (totals[member], -held.get((topic, member), 0), member))
        lucky = set(order[:left])
        for member in members:
            share = each + (member in lucky)
            result[topic, member] = share
            totals[member] += share
    return result
