"""Sends a mail to scripts/inbox and reads it there: inbox.py PATH"""

import re
import smtplib
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from email.message import EmailMessage


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


def start():
    """An inbox, its SMTP port and the URL of its pages. Its SMTP server takes no port of the system's choice, and
    somebody may be faster on the one that is free now."""
    for _ in range(5):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        inbox = subprocess.Popen(
            [sys.executable, sys.argv[1], "--smtp", f"127.0.0.1:{port}", "--web", "127.0.0.1:0"],
            stdout=subprocess.PIPE, text=True)
        shown = re.search(r" (http://\S+)/", inbox.stdout.readline())
        if shown:
            return inbox, port, shown[1]
        inbox.wait(60)
    sys.exit("the inbox does not start")


def main():
    inbox, port, web = start()
    try:
        mail = EmailMessage()
        mail["Subject"], mail["To"], mail["From"] = "배송 <문의>", "alice@example.com", "care@example.com"
        mail["Message-ID"] = "<1.2@handoff.example.com>"
        mail.set_content("내일 도착합니다.")
        with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
            client.send_message(mail)
        status, page = get(f"{web}/")
        assert status == 200 and "배송 &lt;문의&gt;" in page and "alice@example.com" in page, page
        status, page = get(f"{web}/mails/1")
        assert status == 200 and "내일 도착합니다." in page, page
        status, source = get(f"{web}/mails?message-id=1.2@handoff.example.com")
        assert status == 200 and "Message-ID: <1.2@handoff.example.com>" in source, source
        assert get(f"{web}/mails?message-id=1.3@handoff.example.com")[0] == 404
        assert get(f"{web}/mails/2")[0] == 404
    finally:
        # Whoever started this may have blocked the signals that ask for an end.
        inbox.kill()
        inbox.wait(60)
    print("ok")


main()
