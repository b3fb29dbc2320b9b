"""OpenSSL's own client and server against rpc-interop-server and rpc-interop-client: tls_test.py DIRECTORY_OF_PRODUCTS.

They can do what no gRPC library does, such as change the keys of a connection that is in use (RFC 8446 §4.6.3).
"""

import os
import re
import subprocess
import sys
import tempfile
import threading
import unittest

from raw_peer import END_HEADERS, END_STREAM, HEADERS, PATIENCE, PREFACE, block, data, frame, settings

CALL = block([(":method", "POST"), (":scheme", "https"), (":path", "/grpc.testing.TestService/EmptyCall"),
              (":authority", "localhost"), ("content-type", "application/grpc"), ("te", "trailers")])
EMPTY_MESSAGE = b"\0" * 5
# How often the keys are changed; the next call must pass each time.
CHANGES = 3


class Program:
    """A program, fed piece by piece; what it writes is collected."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, bufsize=0)
        self.output = b""
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        while chunk := self.process.stdout.read(65536):
            with self._changed:
                self.output += chunk
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def write(self, text):
        self.process.stdin.write(text)

    def wait_for(self, pattern, count=1):
        """Waits until the pattern, of bytes, has been written so many times; returns the last match."""
        def found():
            return len(re.findall(pattern, self.output, re.DOTALL)) >= count
        with self._changed:
            if not self._changed.wait_for(found, 6 * PATIENCE):
                raise AssertionError(f"{pattern!r} did not come {count} times: {self.output!r}")
            return re.findall(pattern, self.output, re.DOTALL)[-1]

    def end(self):
        self.process.kill()
        self.process.wait()
        self._reader.join()
        self.process.stdin.close()
        self.process.stdout.close()


class KeyUpdateTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.certificate, self.key = (os.path.join(directory.name, name) for name in ("server.pem", "server.key"))
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", self.key, "-out", self.certificate], check=True, capture_output=True)

    def start(self, *command):
        program = Program(*command)
        self.addCleanup(program.end)
        return program

    def test_our_server_follows_a_client_that_changes_its_keys(self):
        server = self.start(os.path.join(PRODUCTS, "rpc-interop-server"), "--port", "0", "--attended",
                            "--tls-cert", self.certificate, "--tls-key", self.key)
        port = int(server.wait_for(rb"\d+\n"))
        client = self.start("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-alpn", "h2", "-tls1_3",
                            "-CAfile", self.certificate, "-verify_return_error")
        client.wait_for(rb"ALPN protocol: h2")
        client.write(PREFACE + settings() + self._call(1))
        client.wait_for(self._end_of(1))
        for change in range(1, CHANGES + 1):
            # Its own keys, and with a capital letter ours, too.
            client.write(b"K\n" if change % 2 else b"k\n")
            client.wait_for(rb"KEYUPDATE", change)
            client.write(self._call(2 * change + 1))
            client.wait_for(self._end_of(2 * change + 1))

    def test_our_client_follows_a_server_that_changes_its_keys(self):
        # What it prints must come when it is printed.
        server = self.start("stdbuf", "-o0", "openssl", "s_server", "-accept", "127.0.0.1:0", "-alpn", "h2", "-tls1_3",
                            "-cert", self.certificate, "-key", self.key)
        port = int(server.wait_for(rb"ACCEPT 127\.0\.0\.1:(\d+)"))
        client = self.start(os.path.join(PRODUCTS, "rpc-interop-client"), "--host", "127.0.0.1", "--port", str(port),
                            "--tls-ca", self.certificate, "--case", "empty_unary")
        server.write(settings())
        # DATA that ends the stream.
        server.wait_for(rb"\0\x01\0\0\0\x01")
        for change in range(1, CHANGES + 1):
            server.write(b"K\n" if change % 2 else b"k\n")
            server.wait_for(rb"SSL_do_handshake -> 1", change)
        server.write(frame(HEADERS, END_HEADERS, 1, block([(":status", "200"), ("content-type", "application/grpc")]))
                     + data(1, EMPTY_MESSAGE, 0)
                     + frame(HEADERS, END_HEADERS | END_STREAM, 1, block([("grpc-status", "0")])))
        client.wait_for(rb"empty_unary ok")

    @staticmethod
    def _call(stream):
        return frame(HEADERS, END_HEADERS, stream, CALL) + data(stream, EMPTY_MESSAGE)

    @staticmethod
    def _end_of(stream):
        """Trailers."""
        return re.escape(bytes([HEADERS, END_HEADERS | END_STREAM, 0, 0, 0, stream]))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    PRODUCTS = sys.argv.pop(1)
    unittest.main(verbosity=2)
