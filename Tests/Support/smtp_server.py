"""A real SMTP server for the tests: accepts mail on a free port of 127.0.0.1 and tells on standard output, one JSON
object a line, first its port, then every mail it took. Recipients choose what goes wrong. Ends with standard input.

  busy@…     450 to RCPT          unknown@… 550 to RCPT
  full@…     452 after the data   spam@…    554 after the data
  stall@…    RCPT is never answered
"""

import argparse
import asyncio
import json
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

RCPT_REPLIES = {
    "busy": "450 4.2.1 mailbox is busy",
    "unknown": "550 5.1.1 no such user here",
}
DATA_REPLIES = {
    "full": "452 4.3.1 no room for this mail",
    "spam": "554 5.7.1 this looks like advertising",
}


def tell(**event):
    print(json.dumps(event), flush=True)


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        name = address.split("@")[0]
        if name == "stall":
            await asyncio.Event().wait()
        if name in RCPT_REPLIES:
            return RCPT_REPLIES[name]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        for address in envelope.rcpt_tos:
            reply = DATA_REPLIES.get(address.split("@")[0])
            if reply:
                return reply
        tell(
            connection=session.peer[1],
            hello=session.host_name,
            tls=server.transport.get_extra_info("ssl_object") is not None,
            user=session.auth_data,
            # aiosmtpd keeps the brackets of the null path.
            sender="" if envelope.mail_from == "<>" else envelope.mail_from,
            recipients=envelope.rcpt_tos,
            content=envelope.original_content.decode("latin-1"),
        )
        return "250 2.0.0 queued as 4711"


def sign_in(server, session, envelope, mechanism, data):
    user, password = data.login.decode(), data.password.decode()
    if (user, password) == ("desk@example.org", "s3cret word"):
        return AuthResult(success=True, auth_data=user)
    return AuthResult(success=False, handled=False)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--implicit-tls", action="store_true")
    parser.add_argument("--sign-in", action="store_true")
    parser.add_argument("--idle-seconds", type=float, default=300)
    arguments = parser.parse_args()
    tls = None
    if arguments.certificate:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(arguments.certificate, arguments.key)
    start_tls = tls if not arguments.implicit_tls else None

    def session():
        return SMTP(
            Handler(),
            hostname="mx.example.org",
            tls_context=start_tls,
            require_starttls=start_tls is not None,
            auth_required=arguments.sign_in,
            # aiosmtpd does not count TLS from the first byte as TLS.
            auth_require_tls=not arguments.implicit_tls,
            authenticator=sign_in,
            timeout=arguments.idle_seconds,
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(session, "127.0.0.1", 0, ssl=tls if arguments.implicit_tls else None)
    tell(port=server.sockets[0].getsockname()[1])
    await loop.run_in_executor(None, sys.stdin.read)
    # Without waiting for the clients that a stalled recipient still holds.
    sys.stdout.flush()
    os._exit(0)


asyncio.run(main())
