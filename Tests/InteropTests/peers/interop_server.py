"""grpc.testing.TestService in grpcio: interop_server.py [CERTIFICATE KEY]. Prints its port; ends with its input."""

import concurrent.futures
import sys
import time

import grpc
import testing_protos as protos

ECHO_INITIAL = "x-grpc-test-echo-initial"
ECHO_TRAILING = "x-grpc-test-echo-trailing-bin"


def echo_metadata(context):
    received = dict(context.invocation_metadata())
    if ECHO_INITIAL in received:
        context.send_initial_metadata([(ECHO_INITIAL, received[ECHO_INITIAL])])
    if ECHO_TRAILING in received:
        context.set_trailing_metadata([(ECHO_TRAILING, received[ECHO_TRAILING])])


def echo_status(request, context):
    if request.HasField("response_status"):
        code = next(code for code in grpc.StatusCode if code.value[0] == request.response_status.code)
        context.abort(code, request.response_status.message)


def compress(wanted, context):
    """grpcio compresses a call or not; one message of a compressed call can go uncompressed."""
    if not wanted:
        context.disable_next_message_compression()


class Service:
    def EmptyCall(self, request, context):
        echo_metadata(context)
        return protos.Empty()

    def UnaryCall(self, request, context):
        if request.HasField("response_compressed"):
            context.set_compression(grpc.Compression.Gzip)
            compress(request.response_compressed.value, context)
        echo_metadata(context)
        echo_status(request, context)
        return protos.SimpleResponse(payload=protos.Payload(body=bytes(request.response_size)))

    CacheableUnaryCall = UnaryCall

    def StreamingOutputCall(self, request, context):
        if any(parameters.HasField("compressed") for parameters in request.response_parameters):
            context.set_compression(grpc.Compression.Gzip)
        echo_metadata(context)
        yield from self._responses(request, context)
        echo_status(request, context)

    def StreamingInputCall(self, requests, context):
        size = sum(len(request.payload.body) for request in requests)
        return protos.StreamingInputCallResponse(aggregated_payload_size=size)

    def FullDuplexCall(self, requests, context):
        echo_metadata(context)
        for request in requests:
            echo_status(request, context)
            yield from self._responses(request, context)

    def HalfDuplexCall(self, requests, context):
        echo_metadata(context)
        for request in list(requests):
            yield from self._responses(request, context)

    def _responses(self, request, context):
        for parameters in request.response_parameters:
            if parameters.interval_us:
                time.sleep(parameters.interval_us / 1e6)
            if parameters.HasField("compressed"):
                compress(parameters.compressed.value, context)
            yield protos.StreamingOutputCallResponse(payload=protos.Payload(body=bytes(parameters.size)))


def handlers():
    service = Service()
    for name, request, response, many_requests, many_responses in protos.methods("TestService"):
        method = getattr(service, name, None)
        # UnimplementedCall must not be there.
        if method is None:
            continue
        make = getattr(grpc, f"{'stream' if many_requests else 'unary'}_"
                             f"{'stream' if many_responses else 'unary'}_rpc_method_handler")
        yield name, make(method, request_deserializer=request.FromString,
                         response_serializer=response.SerializeToString)


def main():
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(32), options=[("grpc.so_reuseport", 0)])
    service = grpc.method_handlers_generic_handler("grpc.testing.TestService", dict(handlers()))
    server.add_generic_rpc_handlers([service])
    if len(sys.argv) == 3:
        certificate, key = (open(path, "rb").read() for path in sys.argv[1:])
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, certificate)]))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(2).wait()


main()
