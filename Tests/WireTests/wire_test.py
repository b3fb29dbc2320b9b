"""A stock gRPC client against rpc-echo: python3 wire_test.py PATH_OF_RPC_ECHO [unittest arguments]."""

import concurrent.futures
import subprocess
import sys
import threading
import unittest

try:
    import grpc
except ImportError:
    sys.exit("grpcio is missing: python3 -m venv .venv && .venv/bin/pip install grpcio, then use .venv/bin/python3")

SERVICE = "/handoff.wire.v1.EchoService/"


class Server:
    def __init__(self, binary):
        self.process = subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip()

    def stop(self):
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(timeout=30)


class WireTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(BINARY)

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def setUp(self):
        self.channel = grpc.insecure_channel(self.server.address)
        self.addCleanup(self.channel.close)

    def unary(self, method):
        return self.channel.unary_unary(SERVICE + method)

    def test_unary_echo_of_many_sizes(self):
        for size in (0, 1, 100, 16_384, 65_536, 271_828, 4 << 20):
            channel = grpc.insecure_channel(
                self.server.address, options=[("grpc.max_receive_message_length", 8 << 20)])
            body = bytes(i * 7 & 255 for i in range(size))
            self.assertEqual(channel.unary_unary(SERVICE + "Echo")(body, timeout=30), body)
            channel.close()

    def test_message_over_the_limit_is_resource_exhausted(self):
        with self.assertRaises(grpc.RpcError) as raised:
            self.unary("Echo")(bytes((4 << 20) + 1), timeout=30)
        self.assertEqual(raised.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)

    def test_every_status_and_its_text_arrive(self):
        text = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n 100%"
        for code in grpc.StatusCode:
            number = code.value[0]
            if number == 0:
                continue
            with self.assertRaises(grpc.RpcError) as raised:
                self.unary("Fail")(bytes([number]) + text.encode(), timeout=10)
            self.assertEqual((raised.exception.code(), raised.exception.details()), (code, text))

    def test_an_unknown_error_tells_nothing(self):
        with self.assertRaises(grpc.RpcError) as raised:
            self.unary("Throw")(b"", timeout=10)
        self.assertEqual(raised.exception.code(), grpc.StatusCode.UNKNOWN)
        self.assertNotIn("password", raised.exception.details())

    def test_unknown_method_and_service_are_unimplemented(self):
        for path in (SERVICE + "Nothing", "/no.such.Service/Echo"):
            with self.assertRaises(grpc.RpcError) as raised:
                self.channel.unary_unary(path)(b"", timeout=10)
            self.assertEqual(raised.exception.code(), grpc.StatusCode.UNIMPLEMENTED)

    def test_deadline_is_enforced_and_seen(self):
        with self.assertRaises(grpc.RpcError) as raised:
            self.unary("Sleep")(b"", timeout=0.05)
        self.assertEqual(raised.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        left = int(self.unary("Deadline")(b"", timeout=1000))
        # The client rounds its timeout up by as much as a hundredth.
        self.assertTrue(900_000 < left <= 1_011_000, left)

    def test_metadata_goes_both_ways(self):
        metadata = [("x-echo", "one"), ("x-echo", "two, three"), ("x-echo-bin", bytes([0xAB, 0, 0xFF]))]
        _, call = self.unary("Echo").with_call(b"", metadata=metadata, timeout=10)
        self.assertEqual([value for key, value in call.initial_metadata() if key == "x-echo"], ["one", "two, three"])
        self.assertEqual(dict(call.trailing_metadata())["x-echo-bin"], bytes([0xAB, 0, 0xFF]))
        with self.assertRaises(grpc.RpcError) as raised:
            self.unary("Fail")(b"\x05gone", metadata=metadata, timeout=10)
        self.assertEqual(dict(raised.exception.trailing_metadata())["x-echo-bin"], bytes([0xAB, 0, 0xFF]))

    def test_server_streaming(self):
        answers = self.channel.unary_stream(SERVICE + "Repeat")(bytes([200]) + b"x" * 5000, timeout=30)
        self.assertEqual(sum(1 for answer in answers if len(answer) == 5001), 200)

    def test_client_streaming(self):
        parts = [bytes([i]) * size for i, size in enumerate((27182, 8, 1828, 45904))]
        joined = self.channel.stream_unary(SERVICE + "Concatenate")(iter(parts), timeout=30)
        self.assertEqual(joined, b"".join(parts))

    def test_bidirectional_in_lockstep(self):
        turn = threading.Semaphore(1)
        sizes = (31415, 9, 2653, 58979)

        def requests():
            for size in sizes:
                turn.acquire()
                yield b"p" * size

        seen = []
        for answer in self.channel.stream_stream(SERVICE + "Chat")(requests(), timeout=30):
            seen.append(len(answer))
            turn.release()
        self.assertEqual(tuple(seen), sizes)
        self.assertEqual(list(self.channel.stream_stream(SERVICE + "Chat")(iter(()), timeout=30)), [])

    def test_a_cancelled_flood_leaves_the_connection_usable(self):
        flood = self.channel.unary_stream(SERVICE + "Flood")(b"", timeout=30)
        next(flood)
        flood.cancel()
        with self.assertRaises(grpc.RpcError) as raised:
            for _ in flood:
                pass
        self.assertEqual(raised.exception.code(), grpc.StatusCode.CANCELLED)
        self.assertEqual(self.unary("Echo")(b"still here", timeout=10), b"still here")

    def test_gzip_requests_are_understood(self):
        channel = grpc.insecure_channel(self.server.address, compression=grpc.Compression.Gzip)
        body = b"compress me " * 1000
        self.assertEqual(channel.unary_unary(SERVICE + "Echo")(body, timeout=10), body)
        channel.close()

    def test_another_encoding_is_unimplemented(self):
        channel = grpc.insecure_channel(self.server.address, compression=grpc.Compression.Deflate)
        with self.assertRaises(grpc.RpcError) as raised:
            channel.unary_unary(SERVICE + "Echo")(b"compress me " * 1000, timeout=10)
        self.assertEqual(raised.exception.code(), grpc.StatusCode.UNIMPLEMENTED)
        channel.close()

    def test_more_calls_at_once_than_streams_are_allowed(self):
        for calls in (101, 300, 1000):
            futures = [self.unary("Echo").future(b"%d" % i, timeout=60) for i in range(calls)]
            self.assertEqual([future.result() for future in futures], [b"%d" % i for i in range(calls)])

    def test_calls_from_many_threads(self):
        def work(worker):
            for i in range(50):
                body = b"%d/%d" % (worker, i)
                if self.unary("Echo")(body, timeout=30) != body:
                    return False
            return True

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            self.assertTrue(all(pool.map(work, range(8))))


class DrainTest(unittest.TestCase):
    def test_a_stopped_server_leaves_no_call_hanging(self):
        server = Server(BINARY)
        channel = grpc.insecure_channel(server.address)
        waiting = channel.unary_unary(SERVICE + "Sleep").future(b"", timeout=30)
        self.assertEqual(channel.unary_unary(SERVICE + "Echo")(b"here", timeout=10), b"here")
        self.assertEqual(server.stop(), 0)
        self.assertIn(waiting.code(), (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED))
        channel.close()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    BINARY = sys.argv.pop(1)
    unittest.main(verbosity=2)
