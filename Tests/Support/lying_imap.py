"""An IMAP server that says what is not so: lying_imap.py CERTIFICATE KEY

Listens on a free port of 127.0.0.1 (TLS), which it prints, until standard input ends. The user's name says how it lies:

  endless  a mailbox of 2^32-1 mails, of which none is ever listed
  empty    a mailbox of 300 mails; the list has only such as were read before
  moving   a mailbox of 2^32-1 mails, whose UIDs are others each time they are asked for
  dates    mails that arrived at times which no number holds
  literal  a mail of 10 GB that never comes
  line     a line without an end
"""

import asyncio
import itertools
import re
import ssl
import sys

HUGE = 2**32 - 1
NOW = "26-Nov-2026 06:04:05 +0000"
EXISTS = {"endless": HUGE, "empty": 300, "moving": HUGE, "dates": 1, "literal": 1, "line": 1}
ticks = itertools.count(1)


def listed(place, uid, date=NOW):
    return f'* {place} FETCH (UID {uid} RFC822.SIZE 100 INTERNALDATE "{date}")\r\n'


def fetched(lie, places):
    """What is said of some mails."""
    first = int(re.match(r"\d+", places).group())
    alone = ":" not in places
    if lie == "endless":
        return listed(first, 1) if alone else ""
    if lie == "empty":
        return listed(first, 0)
    if lie == "moving":
        # Asked alone, the lower half was read before; in a list, nothing was.
        return listed(first, HUGE - next(ticks) if not alone or first > HUGE // 2 else 0)
    if lie == "dates":
        return "".join(listed(1, 1, date) for date in (
            "26-Nov-2026 06:04:05 -9223372036854775808", "26-Nov-2026 -9223372036854775808:04:05 +0000",
            "-9223372036854775808-Nov-9223372036854775807 06:04:05 +0000"))
    return listed(1, 1)


async def talk(reader, writer):
    lie = ""
    writer.write(b"* OK [CAPABILITY IMAP4rev1] hello\r\n")
    while line := (await reader.readline()).decode("latin-1").split():
        tag, command = line[0], line[1].upper()
        if command == "CAPABILITY":
            writer.write(b"* CAPABILITY IMAP4rev1 UIDPLUS\r\n")
        elif command == "LOGIN":
            lie = line[2].strip('"')
        elif command == "SELECT":
            # One UIDVALIDITY, and mails that were not there before.
            writer.write(f"* {EXISTS[lie]} EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n".encode())
        elif command == "FETCH":
            writer.write(fetched(lie, line[2]).encode())
        elif command == "UID" and lie == "literal":
            writer.write(b"* 1 FETCH (UID 1 BODY[] {10000000000}\r\nFrom: a@example.com\r\n")
            break
        elif command == "UID":
            writer.write(b"* 1 FETCH " + b"x" * (1 << 20))
            break
        writer.write(f"{tag} OK done\r\n".encode())
        await writer.drain()
        if command == "LOGOUT":
            break
    writer.close()


async def main():
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(*sys.argv[1:])
    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
