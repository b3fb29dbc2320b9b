"""Makes up messages of the API and maps them to and from JSON with Google's implementation.

Asked and answered in the frames that Tests/Support/FramedPython.swift describes.
"""
import random
import struct
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

files = descriptor_pb2.FileDescriptorSet()
with open(sys.argv[1], "rb") as descriptors:
    files.ParseFromString(descriptors.read())
pool = descriptor_pool.DescriptorPool()
for file in files.file:
    pool.Add(file)
TYPES = sorted(sys.argv[2].split(","))

TEXTS = ["", "a", "텍스트", "é" * 40, "emoji 🧑‍🚀", 'line\nbreak\t"\\/', "\x01\x1f\x7f\u2028", "\u07ff\u0800\uffff\U00010000"]
RANGES = {
    "int32": (-2**31, 2**31 - 1), "sint32": (-2**31, 2**31 - 1), "sfixed32": (-2**31, 2**31 - 1),
    "int64": (-2**63, 2**63 - 1), "sint64": (-2**63, 2**63 - 1), "sfixed64": (-2**63, 2**63 - 1),
    "uint32": (0, 2**32 - 1), "fixed32": (0, 2**32 - 1), "uint64": (0, 2**64 - 1), "fixed64": (0, 2**64 - 1),
}
KINDS = {value: name[5:].lower() for name, value in descriptor_pb2.FieldDescriptorProto.Type.items()}


def message_class(name):
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def value(random, field):
    kind = KINDS[field.type]
    if kind in RANGES:
        low, high = RANGES[kind]
        return random.choice([low, high, random.randint(max(low, -9), 9), random.randint(low, high)])
    if kind in ("float", "double"):
        return random.choice([1.5, -2.25, 2.0**100, random.randint(1, 1000) / 8])
    if kind == "bool":
        return random.random() < 0.5
    if kind == "enum":
        return random.choice([known.number for known in field.enum_type.values] + [-7, 99, 2**31 - 1])
    if kind == "string":
        return random.choice(TEXTS) + random.choice(TEXTS)
    return random.randbytes(random.choice([0, 1, 2, 3, 300]))


def fill_time(random, message):
    # The years 1 to 9999, which JSON can say.
    low, high = -62135596800, 253402300799
    message.seconds = random.choice([low, high, -1, 0, 1, random.randint(low, high), random.randint(0, 2**31)])
    message.nanos = random.choice([0, 1, 5_000, 120_000_000, 999_999_999, random.randint(0, 999_999_999)])


def fill_duration(random, message):
    # Ten thousand years, which JSON can say; both parts with one sign.
    sign, high = random.choice([-1, 1]), 315_576_000_000
    message.seconds = sign * random.choice([0, 1, high - 1, random.randint(0, high - 1), random.randint(0, 90)])
    message.nanos = sign * random.choice([0, 1, 5_000, 120_000_000, 999_999_999, random.randint(0, 999_999_999)])


def fill_mask(random, message):
    names = ["title", "display_name", "a", "customer.email", "x_y_z", ""]
    message.paths.extend(random.choice(names) for _ in range(random.randint(1, 4)))
    # A single empty name and none at all are the same text.
    if list(message.paths) == [""]:
        message.paths[0] = "title"


# Messages whose JSON is a text that cannot say everything.
TEXT_MESSAGES = {
    "google.protobuf.Timestamp": fill_time, "google.protobuf.Duration": fill_duration,
    "google.protobuf.FieldMask": fill_mask}


def fill(random, message, depth):
    for field in message.DESCRIPTOR.fields:
        if random.random() < (0.5 if depth else 0.2):
            continue
        if field.message_type is not None:
            if depth == 4:
                continue
            holder = getattr(message, field.name)
            for _ in range(random.randint(1, 3) if field.is_repeated else 1):
                part = holder.add() if field.is_repeated else holder
                fill_text = TEXT_MESSAGES.get(field.message_type.full_name)
                if fill_text:
                    fill_text(random, part)
                else:
                    fill(random, part, depth + 1)
            if not field.is_repeated:
                holder.SetInParent()
        elif field.is_repeated:
            getattr(message, field.name).extend(value(random, field) for _ in range(random.randint(1, 4)))
        else:
            setattr(message, field.name, value(random, field))


def other_form(source, message):
    """The message in a form that Handoff does not write, but reads."""
    return json_format.MessageToJson(
        message, preserving_proto_field_name=source.random() < 0.5, use_integers_for_enums=source.random() < 0.5,
        always_print_fields_with_no_presence=source.random() < 0.5, indent=source.choice([None, 0, 3]),
        sort_keys=source.random() < 0.5, ensure_ascii=source.random() < 0.5).encode()


def framed(data):
    return struct.pack(">I", len(data)) + data


def generate(payload):
    """The type's name and a line end; the message, its JSON, and its JSON in another form, each behind its length.
    Numbers in a row make messages of all types."""
    seed = int.from_bytes(payload, "big")
    source = random.Random(seed)
    message = message_class(TYPES[seed % len(TYPES)])()
    fill(source, message, 0)
    data = message.SerializeToString(deterministic=True)
    text = json_format.MessageToJson(message).encode()
    return message.DESCRIPTOR.full_name.encode() + b"\n" + framed(data) + framed(text) + framed(other_form(source, message))


def read(payload):
    """The message that a type's name, a line end and JSON stand for; None when they do not fit."""
    name, text = payload.split(b"\n", 1)
    message = message_class(name.decode())()
    try:
        json_format.Parse(text, message)
    except json_format.ParseError:
        return None
    return message.SerializeToString(deterministic=True)


while True:
    head = sys.stdin.buffer.read(5)
    if len(head) < 5:
        break
    question = sys.stdin.buffer.read(struct.unpack(">I", head[1:])[0])
    result = generate(question) if head[:1] == b"G" else read(question)
    if result is None:
        sys.stdout.buffer.write(b"\x00" + struct.pack(">I", 0))
    else:
        sys.stdout.buffer.write(b"\x01" + struct.pack(">I", len(result)) + result)
    sys.stdout.buffer.flush()
