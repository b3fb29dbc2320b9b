"""Waits until every daemon and the edge report SERVING over grpc.health.v1: await_serving.py DIR"""

import sys

from cluster import GRPC, Cluster, Failure, Protos, Report, eventually


def is_serving(protos, address):
    try:
        # A fresh channel each time: one that was refused pauses longer and longer.
        return GRPC(protos, address).call("grpc.health.v1.Health", "Check", {}, timeout=5).status == 1
    except Failure:
        return False


def main():
    cluster, protos, report = Cluster(sys.argv[1]), Protos(), Report()
    for name in ("masking", "mail", "assignment", "tickets", "gateway", "edge"):
        address = cluster.edge if name == "edge" else cluster.addresses[name]
        report.row(f"{name} serves", eventually, name, lambda: is_serving(protos, address))


main()
