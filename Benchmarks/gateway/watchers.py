"""Many clients that follow a service as browsers do: one connection each, server-sent events, through the edge."""

import asyncio
import json
import resource
import time

from lib.processes import Failed
from lib.tables import median

CHANGES = 20
# Connections that are being opened at the same moment.
OPENING = 50
PATIENCE_SECONDS = 60


class _Watcher:
    """One client; `seen` is told of the version of each change that it gets, and when."""

    def __init__(self, reader, writer):
        self._reader, self._writer, self._rest = reader, writer, b""

    @classmethod
    async def open(cls, host, port, token, ticket):
        """Returns behind the first heartbeat: whatever is changed from then on comes."""
        reader, writer = await asyncio.open_connection(host, port)
        writer.write((f"GET /v1/{ticket.split('/tickets/')[0]}/tickets:watch?ticket={ticket} HTTP/1.1\r\nhost: {host}\r\n"
                      f"authorization: Bearer {token}\r\n\r\n").encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 ") or b"chunked" not in head:
            raise Failed(f"a live stream was not opened: {head.decode(errors='replace')}")
        watcher = cls(reader, writer)
        while await watcher._line() != b": heartbeat":
            pass
        return watcher

    async def _line(self):
        # Pieces of the transfer may end anywhere in a line.
        while b"\n" not in self._rest:
            size = int(await self._reader.readline(), 16)
            if not size:
                raise Failed("a live stream ended")
            self._rest += (await self._reader.readexactly(size + 2))[:-2]
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    async def follow(self, seen):
        while True:
            line = await self._line()
            if line.startswith(b"data: ") and (change := json.loads(line[6:]).get("change")):
                seen(int(change["version"]), time.monotonic())

    def close(self):
        self._writer.close()


async def _comment(host, port, token, ticket, number):
    """The new version of the ticket, and when its answer was there."""
    body = json.dumps({"act": "COMMENT", "text": f"Asked the carrier, {number}."})
    reader, writer = await asyncio.open_connection(host, port)
    writer.write((f"POST /v1/{ticket}:process HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n"
                  "content-type: application/json\r\nconnection: close\r\n"
                  f"content-length: {len(body)}\r\n\r\n{body}").encode())
    answer = await reader.read()
    answered = time.monotonic()
    writer.close()
    head, _, content = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n")[0]:
        raise Failed(f"a comment was refused: {answer.decode(errors='replace')[:1000]}")
    return int(json.loads(content[content.index(b"{"):content.rindex(b"}") + 1])["version"]), answered


async def _measure(host, port, token, ticket, count):
    seen = {}
    gate = asyncio.Semaphore(OPENING)

    async def opened():
        async with gate:
            return await asyncio.wait_for(_Watcher.open(host, port, token, ticket), PATIENCE_SECONDS)

    watchers = await asyncio.gather(*(opened() for _ in range(count)))
    following = [asyncio.ensure_future(watcher.follow(lambda version, at: seen.setdefault(version, []).append(at)))
                 for watcher in watchers]
    halves, alls = [], []
    for number in range(CHANGES):
        version, answered = await _comment(host, port, token, ticket, number)
        end = time.monotonic() + PATIENCE_SECONDS
        while len(seen.get(version, ())) < count:
            if time.monotonic() > end or any(task.done() for task in following):
                raise Failed(f"a change reached {len(seen.get(version, ()))} of {count} clients")
            await asyncio.sleep(0.005)
        taken = sorted(max(0.0, at - answered) * 1000 for at in seen[version])
        if len(taken) != count:
            raise Failed(f"a change came {len(taken)} times to {count} clients")
        halves.append(taken[count // 2])
        alls.append(taken[-1])
    for task in following:
        task.cancel()
    await asyncio.gather(*following, return_exceptions=True)
    for watcher in watchers:
        watcher.close()
    return median(halves), median(alls), max(alls)


def _ticket(cluster, token):
    """A new ticket that the caller holds, who must be able to."""
    return cluster.json("/v1/services/care/tickets", {
        "channel": "PHONE", "submissionType": "services/care/submissionTypes/1", "title": "Where is my parcel?",
        "text": "I ordered shoes a week ago. Where are they?", "language": "en", "customer": {"displayName": "Alice"},
        "agent": cluster.get("/v1/me", token)["name"]}, token)["name"]


def reach(cluster, token, count):
    """Milliseconds from the answer to who changes a ticket until half of `count` clients have the change, until all of
    them have it, and the latter of the slowest change."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    host, port = cluster.addresses["edge"].rsplit("/", 1)[-1].rsplit(":", 1)
    return asyncio.run(_measure(host, int(port), token, _ticket(cluster, token), count))
