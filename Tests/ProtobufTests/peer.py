"""Answers framed questions on standard input with Python's own protobuf. See PythonPeer.swift for the frames."""
import random
import struct
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

files = descriptor_pb2.FileDescriptorSet()
with open(sys.argv[1], "rb") as descriptors:
    files.ParseFromString(descriptors.read())
pool = descriptor_pool.DescriptorPool()
for file in files.file:
    pool.Add(file)
Everything = message_factory.GetMessageClass(pool.FindMessageTypeByName("handoff.test.v1.Everything"))

TEXTS = ["", "a", "텍스트", "é" * 40, "emoji 🧑‍🚀", "line\nbreak\t\"", "\u07ff\u0800\uffff\U00010000"]
RANGES = {
    "int32": (-2**31, 2**31 - 1), "sint32": (-2**31, 2**31 - 1), "sfixed32": (-2**31, 2**31 - 1),
    "int64": (-2**63, 2**63 - 1), "sint64": (-2**63, 2**63 - 1), "sfixed64": (-2**63, 2**63 - 1),
    "uint32": (0, 2**32 - 1), "fixed32": (0, 2**32 - 1), "uint64": (0, 2**64 - 1), "fixed64": (0, 2**64 - 1),
}
KINDS = {value: name[5:].lower() for name, value in descriptor_pb2.FieldDescriptorProto.Type.items()}


def value(random, field):
    kind = KINDS[field.type]
    if kind in RANGES:
        low, high = RANGES[kind]
        return random.choice([low, high, random.randint(max(low, -9), 9), random.randint(low, high)])
    if kind in ("float", "double"):
        return random.choice([1.5, -2.25, float("inf"), 2.0**100, random.randint(1, 1000) / 8])
    if kind == "bool":
        return random.random() < 0.5
    if kind == "enum":
        return random.choice([0, 1, 2, -7, 99, -2**31])
    if kind == "string":
        return random.choice(TEXTS) + random.choice(TEXTS)
    return random.randbytes(random.choice([0, 1, 7, 300]))


def fill(random, message, depth):
    for field in message.DESCRIPTOR.fields:
        if random.random() < (0.6 if depth else 0.2):
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            for _ in range(random.randint(1, 3)):
                message.counts["key %d" % random.randint(1, 9)] = random.randint(1, 99)
        elif field.message_type is not None:
            if depth == 3:
                continue
            holder = getattr(message, field.name)
            for _ in range(random.randint(1, 3) if field.is_repeated else 1):
                fill(random, holder.add() if field.is_repeated else holder, depth + 1)
            if not field.is_repeated:
                holder.SetInParent()
        elif field.is_repeated:
            getattr(message, field.name).extend(value(random, field) for _ in range(random.randint(1, 4)))
        else:
            setattr(message, field.name, value(random, field))


def answer(operation, payload):
    message = Everything()
    if operation == b"G":
        fill(random.Random(int.from_bytes(payload, "big")), message, 0)
    else:
        try:
            message.ParseFromString(payload)
        except DecodeError:
            return None
        message.DiscardUnknownFields()
    return message.SerializeToString(deterministic=True)


while True:
    head = sys.stdin.buffer.read(5)
    if len(head) < 5:
        break
    result = answer(head[:1], sys.stdin.buffer.read(struct.unpack(">I", head[1:])[0]))
    if result is None:
        sys.stdout.buffer.write(b"\x00" + struct.pack(">I", 0))
    else:
        sys.stdout.buffer.write(b"\x01" + struct.pack(">I", len(result)) + result)
    sys.stdout.buffer.flush()
