// Protobuf: to come.
