"""A log in which the names of a test stand for names of its own: tests share a Kafka cluster, not its topics."""

from dataclasses import replace

from agents.events import Outgoing, TopicPartition
from pipeline.log import Fence


class Scoped:
    """Puts a prefix before names of topics and groups on the way in, and takes it away on the way out."""

    def __init__(self, log, prefix):
        self._log = log
        self.prefix = prefix

    def _in(self, name):
        return f"{self.prefix}{name}"

    def _is_own(self, name):
        return name.startswith(self.prefix)

    def _out(self, name):
        return name.removeprefix(self.prefix)

    def _source(self, source):
        return TopicPartition(self._in(source.topic), source.partition)

    def _fence(self, fence):
        return Fence(self._in(fence.group), self._source(fence.source), fence.member, fence.epoch)

    def _outgoing(self, outgoing):
        return [Outgoing(self._in(topic), partition, records) for topic, partition, records in outgoing]

    def _by_source(self, found):
        return {TopicPartition(self._out(source.topic), source.partition): value for source, value in found.items()}

    async def create_topic(self, spec):
        await self._log.create_topic(spec if spec.name in {"", ".", ".."} else replace(spec, name=self._in(spec.name)))

    async def topics(self):
        found = await self._log.topics()
        return {self._out(n): replace(s, name=self._out(n)) for n, s in found.items() if self._is_own(n)}

    async def differences(self, specs):
        found = await self._log.differences([replace(spec, name=self._in(spec.name)) for spec in specs])
        return [each._replace(topic=self._out(each.topic)) for each in found]

    async def mend(self, spec, differences):
        scoped = [each._replace(topic=self._in(each.topic)) for each in differences]
        await self._log.mend(replace(spec, name=self._in(spec.name)), scoped)

    async def copies(self):
        return {self._out(name): copies for name, copies in (await self._log.copies()).items() if self._is_own(name)}

    async def delete_topic(self, name):
        await self._log.delete_topic(self._in(name))

    async def partitions(self, topic, **options):
        return await self._log.partitions(self._in(topic), **options)

    async def append(self, outgoing):
        await self._log.append(self._outgoing(outgoing))

    async def fetch(self, positions, **options):
        chunks = await self._log.fetch({self._source(source): at for source, at in positions.items()}, **options)
        return [replace(chunk, topic=self._out(chunk.topic)) for chunk in chunks]

    async def offset_at(self, source, time_ms):
        return await self._log.offset_at(self._source(source), time_ms)

    async def claim(self, fence):
        await self._log.claim(self._fence(fence))

    async def commit(self, fence, offset, outgoing):
        await self._log.commit(self._fence(fence), offset, self._outgoing(outgoing))

    async def committed(self, group):
        return self._by_source(await self._log.committed(self._in(group)))

    async def commit_offsets(self, group, offsets):
        await self._log.commit_offsets(self._in(group), {self._source(source): at for source, at in offsets.items()})

    async def groups(self):
        return [self._out(name) for name in await self._log.groups() if self._is_own(name)]

    async def leases(self, group):
        found = await self._log.leases(self._in(group))
        return [
            lease._replace(source=TopicPartition(self._out(lease.source.topic), lease.source.partition))
            for lease in found
        ]

    async def members(self, group):
        return await self._log.members(self._in(group))

    async def delete_group(self, group):
        await self._log.delete_group(self._in(group))

    def join(self, group, member, *, ttl_ms):
        return _Membership(self._log.join(self._in(group), member, ttl_ms=ttl_ms), self)

    async def close(self):
        await self._log.close()


class _Membership:
    def __init__(self, membership, scope):
        self._membership = membership
        self._scope = scope

    def subscribe(self, topics):
        self._membership.subscribe({self._scope._in(topic): n for topic, n in topics.items()})

    async def stay(self, on_owned, before_rebalance):
        async def told(fences):
            await on_owned(
                [
                    Fence(
                        self._scope._out(fence.group),
                        TopicPartition(self._scope._out(fence.source.topic), fence.source.partition),
                        fence.member,
                        fence.epoch,
                    )
                    for fence in fences
                ]
            )

        await self._membership.stay(told, before_rebalance)

    def note(self, positions):
        self._membership.note({self._scope._source(source): at for source, at in positions.items()})

    async def leave(self):
        await self._membership.leave()

    def wake_up(self):
        self._membership.wake_up()

    @property
    def member(self):
        return self._membership.member
