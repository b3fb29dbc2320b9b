"""The messages of grpc.testing as Python classes, and the paths of its methods, from the tree's descriptor set."""

import pathlib

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_files = descriptor_pb2.FileDescriptorSet()
_files.ParseFromString((pathlib.Path(__file__).parents[2] / "CTestProtos" / "descriptors.binpb").read_bytes())
_pool = descriptor_pool.DescriptorPool()
for _file in _files.file:
    _pool.Add(_file)


def message(name):
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName("grpc.testing." + name))


Empty = message("Empty")
BoolValue = message("BoolValue")
Payload = message("Payload")
EchoStatus = message("EchoStatus")
SimpleRequest = message("SimpleRequest")
SimpleResponse = message("SimpleResponse")
StreamingInputCallRequest = message("StreamingInputCallRequest")
StreamingInputCallResponse = message("StreamingInputCallResponse")
ResponseParameters = message("ResponseParameters")
StreamingOutputCallRequest = message("StreamingOutputCallRequest")
StreamingOutputCallResponse = message("StreamingOutputCallResponse")


def methods(service):
    """Of each method: its name, its classes of request and response, and whether there are many of either."""
    for method in _pool.FindServiceByName("grpc.testing." + service).methods:
        yield (method.name, message(method.input_type.name), message(method.output_type.name),
               method.client_streaming, method.server_streaming)


class Stub:
    """A stub of a service like those that grpcio's own plugin generates."""

    def __init__(self, channel, service):
        for name, request, response, many_requests, many_responses in methods(service):
            make = getattr(channel, f"{'stream' if many_requests else 'unary'}_"
                                    f"{'stream' if many_responses else 'unary'}")
            setattr(self, name, make(f"/grpc.testing.{service}/{name}",
                                     request_serializer=request.SerializeToString,
                                     response_deserializer=response.FromString))
