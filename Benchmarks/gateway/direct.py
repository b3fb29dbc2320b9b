"""The tickets daemon called as the gateway calls it: with the gateway's certificate, in the name of an agent."""

import os

from lib.processes import Run
from rpc.peers import BUILD

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "client_certificate.c")
METHOD = "handoff.tickets.v1.TicketService/GetTicket"


def _preload():
    """The library that gives h2load a certificate; built when it is older than its source."""
    product = os.path.join(BUILD, "client_certificate.so")
    if not os.path.exists(product) or os.path.getmtime(product) < os.path.getmtime(SOURCE):
        os.makedirs(BUILD, exist_ok=True)
        Run(["cc", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", SOURCE, "-o", product, "-lssl", "-ldl"], timeout=120)
    return product


class Direct:
    """Where the daemon is, and what a call to it needs beside its message."""

    def __init__(self, cluster, agent):
        gateway = cluster.environment("gateway")
        self.url = f"https://{gateway['HANDOFF_TICKETS_ADDRESS']}/{METHOD}"
        self.headers = [f"handoff-agent: {agent}"]
        # The loader preloads it into h2load alone, which starts no other program.
        self.environment = {
            **os.environ, "LD_PRELOAD": _preload(), "CLIENT_CERTIFICATE": gateway["HANDOFF_TLS_CERTIFICATE_FILE"],
            "CLIENT_KEY": gateway["HANDOFF_TLS_KEY_FILE"]}
