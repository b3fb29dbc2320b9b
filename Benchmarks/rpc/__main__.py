"""scripts/bench rpc: Handoff's gRPC against gRPC C++, and both against what libnghttp2 makes possible.

All programs take turns in each round, so that a busy machine disturbs all of them alike; the tables show medians over
the rounds. The CPU per call is the steadiest number.
"""

import argparse
import os
import sys

from lib.machine import Machine
from lib.processes import Failed
from rpc import clients, unary
from rpc.peers import ROOT, Peers

PARTS = ("unary", "tls", "client", "stream")


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench rpc", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="readings of each program (default 5)")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part; may be repeated")
    parser.add_argument("--shape", action="append", choices=list(unary.SHAPES),
                        help="only this number of connections × calls under way; may be repeated")
    parser.add_argument("--scale", type=float, default=1.0, help="calls of one reading, as a factor (default 1)")
    parser.add_argument("--with-grpc-swift", action="store_true",
                        help="compare with grpc-swift-2 too; its first build takes many minutes")
    return parser.parse_args()


def main():
    options = arguments()
    parts = options.part or PARTS
    machine = Machine(ROOT)
    peers = Peers(options.with_grpc_swift)
    print("Measuring:", flush=True)
    sections = []
    if "unary" in parts:
        sections.append(unary.report(
            unary.compare(peers.servers, options.rounds, options.scale, options.shape or list(unary.SHAPES))))
    if "tls" in parts:
        sections.append(unary.report_secure(
            unary.compare(peers.secure_servers, options.rounds, options.scale, [unary.SECURE_SHAPE], "TLS")))
    if "client" in parts:
        sections.append(clients.report_unary(clients.compare_unary(peers, options.rounds, options.scale)))
    if "stream" in parts:
        rounds = max(1, options.rounds // 2)
        sections.append(clients.report_streams(clients.compare_streams(peers, rounds, options.scale)))
    print()
    print("\n\n".join([machine.describe(peers.versions()), *sections]))


try:
    os.chdir(ROOT)
    main()
except Failed as failure:
    sys.exit(f"scripts/bench rpc: {failure}")
