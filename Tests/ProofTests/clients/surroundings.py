"""What lies between and behind the daemons of a cluster in a torture: proxies through which they reach one another, and a
mail server. Both can be told to misbehave.

    surroundings.py DIR [--copies tickets=3,mail=2]

Prints the variables for `handoff up --data DIR`, which is to be started with them and the same copies, and `control
HOST:PORT`, where torture.py gives its orders. Mails are written into DIR/mail, one file for each time one was handed
over. Ends with SIGTERM, or with whoever started it."""

import argparse
import asyncio
import itertools
import os
import signal
import socketserver
import sys
import threading
import time

from aiosmtpd.controller import Controller

from doors import Proxy

# Who is called by other daemons.
CALLED = ("tickets", "assignment", "mail", "masking")


def copies(text):
    """`tickets=3,mail=2` as the names that these copies have among the addresses."""
    counts = dict(part.split("=") for part in text.split(",")) if text else {}
    names = {}
    for name in CALLED:
        count = int(counts.get(name, 1))
        names[name] = [name] + [f"{name}-{number}" for number in range(2, count + 1)]
    return names


def address_of(directory, name):
    """Where a copy listens now; nobody knows before the cluster has started."""
    with open(os.path.join(directory, "addresses"), encoding="utf-8") as file:
        return dict(line.split(" ", 1) for line in file.read().splitlines() if not line.startswith("#"))[name]


class MailServer:
    """Takes every mail, unless it is told to be busy, or to hang up when it has one and before it says so."""

    def __init__(self, directory):
        self.place = os.path.join(directory, "mail")
        self.numbers = itertools.count(1)
        self.busy_until, self.hangups = 0.0, 0
        self.word = f"{int(time.time() * 1000):x}"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if time.monotonic() < self.busy_until:
            return "450 4.2.1 busy, try again"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        path = os.path.join(self.place, f"smtp-{self.word}-{next(self.numbers)}.eml")
        with open(f"{path}.new", "wb") as file:
            file.write(envelope.original_content)
        os.rename(f"{path}.new", path)
        if self.hangups > 0:
            self.hangups -= 1
            server.transport.abort()
        return "250 2.0.0 taken"


class Orders(socketserver.StreamRequestHandler):
    """One order a line: `cut`, `hold SECONDS`, `busy SECONDS`, `hang-up`; answered with a number."""

    wires, mail_server = [], None

    def handle(self):
        for line in self.rfile:
            word, *rest = line.decode().split()
            answer = 1
            if word == "cut":
                answer = sum(proxy.cut() for proxy in self.wires)
            elif word == "hold":
                for proxy in self.wires:
                    threading.Thread(target=proxy.hold, args=(float(rest[0]),), daemon=True).start()
            elif word == "busy":
                self.mail_server.busy_until = time.monotonic() + float(rest[0])
            elif word == "hang-up":
                self.mail_server.hangups += 1
            self.wfile.write(f"{answer}\n".encode())


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


def free_port():
    with socketserver.TCPServer(("127.0.0.1", 0), None) as free:
        return free.server_address[1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("--copies", default="")
    options = parser.parse_args()
    # Whoever started this may have blocked signals for itself.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    parent = os.getppid()
    mail_server = MailServer(options.directory)
    for attempt in range(5):
        # The server takes no port of the system's choice, and somebody may be faster on the one that is free now.
        smtp = Controller(mail_server, hostname="127.0.0.1", port=free_port(), ready_timeout=60)
        try:
            smtp.start()
            break
        except OSError:
            if attempt == 4:
                raise
    for name, copies_ in copies(options.copies).items():
        proxies = [Proxy(lambda copy=copy: address_of(options.directory, copy)) for copy in copies_]
        Orders.wires += proxies
        print(f"HANDOFF_{name.upper()}_ADDRESS={','.join(proxy.address for proxy in proxies)}")
    Orders.mail_server = mail_server
    control = Server(("127.0.0.1", 0), Orders)
    threading.Thread(target=control.serve_forever, daemon=True).start()
    print(f"HANDOFF_MAIL_SMTP_URL=smtp://127.0.0.1:{smtp.port}?starttls=off")
    print("control %s:%d" % control.server_address)
    print("ready", flush=True)
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


main()
