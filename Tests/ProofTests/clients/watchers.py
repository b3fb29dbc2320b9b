"""Clients that watch a service while the cluster is harmed, and go on behind what they have when their stream ends."""

import collections
import threading
import time

import grpc

from doors import GRPCDoor

# What a stream may end with; whoever watches opens it again.
ENDS = {
    grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED,
    grpc.StatusCode.ABORTED, grpc.StatusCode.RESOURCE_EXHAUSTED}
# A stream that nothing can come through any more is given up after so long; others are opened again then, too.
STREAM_SECONDS = 40


class Watcher(threading.Thread):
    def __init__(self, protos, address, service, token):
        super().__init__(name=f"watcher of {service}", daemon=True)
        self.api = GRPCDoor(protos, address, "watch").api.signed_in(token)
        self.service = service
        self.last, self.ids, self.streams, self.problem = "", [], 0, None
        # Of each ticket the numbers of its events, in the order in which they came.
        self.events = collections.defaultdict(list)
        self.begun = threading.Event()

    def run(self):
        while True:
            self.streams += 1
            try:
                self.read()
            except grpc.RpcError as error:
                if error.code() not in ENDS:
                    self.problem = f"{self.name}: {error.code().name} {error.details()}"
                    return
            time.sleep(0.1)

    def read(self):
        request = {"parent": self.service, "resumeAfter": self.last}
        for response in self.api.watch(request, timeout=STREAM_SECONDS):
            if response.HasField("change"):
                change = response.change
                self.ids.append(change.id)
                self.events[change.name] += [event.sequence for event in change.events]
                self.last = change.id
            elif response.HasField("heartbeat"):
                self.last = response.heartbeat.id
                self.begun.set()
