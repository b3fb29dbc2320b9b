"""gRPC's interoperability cases with a grpcio client. Prints a line a case: its name and "ok", or what went wrong."""

import argparse
import queue
import sys
import time

import grpc
import testing_protos as protos

TIMEOUT = 60
REQUEST_SIZES = (27182, 8, 1828, 45904)
RESPONSE_SIZES = (31415, 9, 2653, 58979)
UNICODE = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
ECHO_INITIAL = ("x-grpc-test-echo-initial", "test_initial_metadata_value")
ECHO_TRAILING = ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab")


class Requests:
    """The requests of a call, given one after the other while it runs."""

    def __init__(self):
        self._queue = queue.Queue()

    def send(self, request):
        self._queue.put(request)

    def end(self):
        self._queue.put(None)

    def __iter__(self):
        return iter(self._queue.get, None)


def expect(what, got, wanted):
    if got != wanted:
        raise AssertionError(f"{what} is {got!r}, not {wanted!r}")


def payload(size):
    return protos.Payload(body=bytes(size))


def streaming_request(*response_sizes, **fields):
    parameters = [protos.ResponseParameters(size=size) for size in response_sizes]
    return protos.StreamingOutputCallRequest(response_parameters=parameters, **fields)


def expect_failure(call, code, details=None):
    try:
        call()
    except grpc.RpcError as error:
        expect("the status", error.code(), code)
        if details is not None:
            expect("the message", error.details(), details)
    else:
        raise AssertionError(f"the call succeeded and should have failed with {code}")


def empty_unary(stub, _):
    expect("the answer", stub.EmptyCall(protos.Empty(), timeout=TIMEOUT), protos.Empty())


def large_unary(stub, _):
    request = protos.SimpleRequest(response_size=314159, payload=payload(271828))
    expect("the size", len(stub.UnaryCall(request, timeout=TIMEOUT).payload.body), 314159)


def client_streaming(stub, _):
    requests = (protos.StreamingInputCallRequest(payload=payload(size)) for size in REQUEST_SIZES)
    expect("the sum", stub.StreamingInputCall(requests, timeout=TIMEOUT).aggregated_payload_size, 74922)


def server_streaming(stub, _):
    responses = stub.StreamingOutputCall(streaming_request(*RESPONSE_SIZES), timeout=TIMEOUT)
    expect("the sizes", tuple(len(response.payload.body) for response in responses), RESPONSE_SIZES)


def ping_pong(stub, _):
    requests = Requests()
    responses = stub.FullDuplexCall(iter(requests), timeout=TIMEOUT)
    for request_size, response_size in zip(REQUEST_SIZES, RESPONSE_SIZES):
        requests.send(streaming_request(response_size, payload=payload(request_size)))
        expect("the size", len(next(responses).payload.body), response_size)
    requests.end()
    expect("what is left", list(responses), [])


def empty_stream(stub, _):
    expect("the responses", list(stub.FullDuplexCall(iter(()), timeout=TIMEOUT)), [])


def client_compressed_unary(stub, _):
    def request(is_compressed):
        return protos.SimpleRequest(response_size=314159, payload=payload(271828),
                                    expect_compressed=protos.BoolValue(value=is_compressed))
    # The probe: a server that does not see whether a message is compressed answers as if all were well.
    expect_failure(lambda: stub.UnaryCall(request(True), timeout=TIMEOUT), grpc.StatusCode.INVALID_ARGUMENT)
    for is_compressed in (True, False):
        compression = grpc.Compression.Gzip if is_compressed else grpc.Compression.NoCompression
        response = stub.UnaryCall(request(is_compressed), timeout=TIMEOUT, compression=compression)
        expect("the size", len(response.payload.body), 314159)


def client_compressed_streaming(stub, _):
    def request(size, is_compressed):
        return protos.StreamingInputCallRequest(payload=payload(size),
                                                expect_compressed=protos.BoolValue(value=is_compressed))
    expect_failure(lambda: stub.StreamingInputCall(iter([request(27182, True)]), timeout=TIMEOUT),
                   grpc.StatusCode.INVALID_ARGUMENT)
    # grpcio compresses all messages of a call or none, so each kind has a call of its own.
    compressed = stub.StreamingInputCall(iter([request(27182, True)]), timeout=TIMEOUT,
                                         compression=grpc.Compression.Gzip)
    plain = stub.StreamingInputCall(iter([request(45904, False)]), timeout=TIMEOUT)
    expect("the sum", compressed.aggregated_payload_size + plain.aggregated_payload_size, 73086)


def server_compressed_unary(stub, _):
    for is_compressed in (True, False):
        request = protos.SimpleRequest(response_size=314159, payload=payload(271828),
                                       response_compressed=protos.BoolValue(value=is_compressed))
        expect("the size", len(stub.UnaryCall(request, timeout=TIMEOUT).payload.body), 314159)


def server_compressed_streaming(stub, _):
    parameters = [protos.ResponseParameters(size=size, compressed=protos.BoolValue(value=is_compressed))
                  for size, is_compressed in ((31415, True), (92653, False))]
    request = protos.StreamingOutputCallRequest(response_parameters=parameters)
    sizes = [len(response.payload.body) for response in stub.StreamingOutputCall(request, timeout=TIMEOUT)]
    expect("the sizes", sizes, [31415, 92653])


def custom_metadata(stub, _):
    def check(call):
        expect("the initial metadata", dict(call.initial_metadata()).get(ECHO_INITIAL[0]), ECHO_INITIAL[1])
        expect("the trailing metadata", dict(call.trailing_metadata()).get(ECHO_TRAILING[0]), ECHO_TRAILING[1])
    metadata = (ECHO_INITIAL, ECHO_TRAILING)
    request = protos.SimpleRequest(response_size=314159, payload=payload(271828))
    response, call = stub.UnaryCall.with_call(request, timeout=TIMEOUT, metadata=metadata)
    expect("the size", len(response.payload.body), 314159)
    check(call)
    responses = stub.FullDuplexCall(iter([streaming_request(314159, payload=payload(271828))]), timeout=TIMEOUT,
                                    metadata=metadata)
    expect("the sizes", [len(response.payload.body) for response in responses], [314159])
    check(responses)


def status_code_and_message(stub, _):
    _expect_echoed_status(stub, "test status message")
    status = protos.EchoStatus(code=2, message="test status message")
    request = protos.StreamingOutputCallRequest(response_status=status)
    expect_failure(lambda: list(stub.FullDuplexCall(iter([request]), timeout=TIMEOUT)), grpc.StatusCode.UNKNOWN,
                   "test status message")


def special_status_message(stub, _):
    _expect_echoed_status(stub, UNICODE)


def _expect_echoed_status(stub, message):
    request = protos.SimpleRequest(response_status=protos.EchoStatus(code=2, message=message))
    expect_failure(lambda: stub.UnaryCall(request, timeout=TIMEOUT), grpc.StatusCode.UNKNOWN, message)


def unimplemented_method(stub, _):
    expect_failure(lambda: stub.UnimplementedCall(protos.Empty(), timeout=TIMEOUT), grpc.StatusCode.UNIMPLEMENTED)


def unimplemented_service(_, channel):
    stub = protos.Stub(channel, "UnimplementedService")
    expect_failure(lambda: stub.UnimplementedCall(protos.Empty(), timeout=TIMEOUT), grpc.StatusCode.UNIMPLEMENTED)


def cancel_after_begin(stub, _):
    requests = Requests()
    call = stub.StreamingInputCall.future(iter(requests), timeout=TIMEOUT)
    call.cancel()
    expect("the status", call.code(), grpc.StatusCode.CANCELLED)
    requests.end()


def cancel_after_first_response(stub, _):
    requests = Requests()
    responses = stub.FullDuplexCall(iter(requests), timeout=TIMEOUT)
    requests.send(streaming_request(31415, payload=payload(27182)))
    expect("the size", len(next(responses).payload.body), 31415)
    responses.cancel()
    expect_failure(lambda: next(responses), grpc.StatusCode.CANCELLED)
    requests.end()


def timeout_on_sleeping_server(stub, _):
    requests = Requests()
    responses = stub.FullDuplexCall(iter(requests), timeout=0.001)
    requests.send(streaming_request(payload=payload(27182)))
    expect_failure(lambda: next(responses), grpc.StatusCode.DEADLINE_EXCEEDED)
    requests.end()


CASES = [
    empty_unary, large_unary, client_streaming, server_streaming, ping_pong, empty_stream, client_compressed_unary,
    client_compressed_streaming, server_compressed_unary, server_compressed_streaming, custom_metadata,
    status_code_and_message, special_status_message, unimplemented_method, unimplemented_service, cancel_after_begin,
    cancel_after_first_response, timeout_on_sleeping_server,
]


class Many:
    """The cases of many calls; how many is up to the options."""

    def __init__(self, options, connect):
        self._options = options
        self._connect = connect

    def concurrent_large_unary(self, stub, _):
        request = protos.SimpleRequest(response_size=314159, payload=payload(271828))
        calls = [stub.UnaryCall.future(request, timeout=10 * TIMEOUT) for _ in range(self._options.concurrent_calls)]
        expect("the sizes", {len(call.result().payload.body) for call in calls}, {314159})

    def rpc_soak(self, stub, channel):
        for _ in range(self._options.soak_iterations):
            self._timed(stub, channel)

    def channel_soak(self, *_):
        for _ in range(self._options.soak_iterations):
            with self._connect() as channel:
                self._timed(protos.Stub(channel, "TestService"), channel)

    def _timed(self, stub, channel):
        began = time.monotonic()
        large_unary(stub, channel)
        took = (time.monotonic() - began) * 1000
        if took > self._options.soak_milliseconds_max:
            raise AssertionError(f"a call took {took:.0f} ms")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--tls-ca")
    parser.add_argument("--case", required=True, help="its name, or all")
    parser.add_argument("--concurrent-calls", type=int, default=1000)
    parser.add_argument("--soak-iterations", type=int, default=1000)
    parser.add_argument("--soak-milliseconds-max", type=int, default=1000)
    return parser.parse_args()


def main():
    options = arguments()
    address = f"{options.host}:{options.port}"
    authorities = open(options.tls_ca, "rb").read() if options.tls_ca else None

    def connect():
        if authorities is None:
            return grpc.insecure_channel(address)
        return grpc.secure_channel(address, grpc.ssl_channel_credentials(authorities))

    many = Many(options, connect)
    cases = [*CASES, many.concurrent_large_unary, many.rpc_soak, many.channel_soak]
    failed = False
    for case in cases:
        name = case.__name__
        if options.case not in ("all", name):
            continue
        began = time.monotonic()
        try:
            with connect() as channel:
                case(protos.Stub(channel, "TestService"), channel)
        except (AssertionError, grpc.RpcError) as error:
            failed = True
            print(f"{name} {' '.join(str(error).split())}", flush=True)
        else:
            print(f"{name} ok", flush=True)
        print(f"  {name}: {time.monotonic() - began:.2f} s", file=sys.stderr)
    sys.exit(failed)


main()
