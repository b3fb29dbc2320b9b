"""hand_over.py EDGE TOKEN COUNT TURN CLIENTS: hands so many mails over and prints how many a second were taken."""

import http.client
import multiprocessing
import sys
import threading
import time

PROCESSES = 2
TEXT = "\r\n".join(["I ordered shoes a week ago, and they have not come yet.", "Where are they?", "", "Alice"] * 8)


def mail(number):
    """A mail as many programs write it: about four kilobytes of two parts and the fields of three servers."""
    received = "".join(
        f"Received: from mx{hop}.example.com (mx{hop}.example.com [192.0.2.{hop}])\r\n"
        f"\tby mx.shop.example (Postfix) with ESMTPS id 4711{hop}\r\n"
        f"\tfor <care@example.com>; Thu, 1 Jan 2026 10:00:0{hop} +0900\r\n"
        for hop in range(3))
    head = (f"{received}From: Customer {number} <customer{number}@example.com>\r\nTo: care@example.com\r\n"
            f"Subject: =?utf-8?Q?Where_is_my_parcel=3F_{number}?=\r\nMessage-ID: <{number}@example.com>\r\n"
            "Date: Thu, 1 Jan 2026 10:00:00 +0900\r\nMIME-Version: 1.0\r\n"
            'Content-Type: multipart/alternative; boundary="b"\r\n\r\n')
    html = "".join(f"<p>{line}</p>\r\n" for line in TEXT.split("\r\n"))
    return (head + f"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{TEXT}\r\n--b\r\n"
            f"Content-Type: text/html; charset=utf-8\r\n\r\n<html><body>{html}</body></html>\r\n--b--\r\n").encode()


def work(edge, token, numbers):
    def run(own):
        door = http.client.HTTPConnection(edge.removeprefix("http://"), timeout=120)
        for number in own:
            door.request("POST", "/v1/services/care/inboundMails", mail(number),
                         {"authorization": f"Bearer {token}", "content-type": "message/rfc822"})
            reply = door.getresponse()
            text = reply.read()
            if reply.status != 200 or b'"TICKET"' not in text:
                sys.exit(f"{reply.status} {text[:300]!r}")
    threads = [threading.Thread(target=run, args=(own,)) for own in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main():
    edge, token, count, turn, clients = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
    numbers = range(turn * 10_000_000, turn * 10_000_000 + count)
    shares = [numbers[start::clients] for start in range(clients)]
    workers = [multiprocessing.Process(target=work, args=(edge, token, shares[start::PROCESSES]))
               for start in range(PROCESSES)]
    begin = time.monotonic()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        if worker.exitcode != 0:
            sys.exit("a mail was not taken")
    print(count / (time.monotonic() - begin))


if __name__ == "__main__":
    main()
