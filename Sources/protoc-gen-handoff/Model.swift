import CDescriptorProtos

/// A proto file as the generator sees it.
struct ProtoFile {
  let name: String
  let package: String
  let messages: [ProtoMessage]
  let enums: [ProtoEnumType]
  let services: [ProtoService]
}

/// A message type; nested types included.
struct ProtoMessage {
  let fullName: String
  let name: String
  let comment: String
  let fields: [ProtoField]
  let oneofs: [ProtoOneof]
  let messages: [ProtoMessage]
  let enums: [ProtoEnumType]
}

struct ProtoOneof {
  let name: String
  let comment: String
}

struct ProtoField {
  typealias Kind = Google__Protobuf__FieldDescriptorProto__Type

  let name: String
  let comment: String
  let number: Int32
  let kind: Kind
  let isRepeated: Bool
  /// The full name of the message or enum, without a leading dot.
  let typeName: String
  let oneofIndex: Int?
}

struct ProtoEnumType {
  let fullName: String
  let name: String
  let comment: String
  let values: [Value]

  struct Value {
    let name: String
    let comment: String
    let number: Int32
  }
}

struct ProtoService {
  let fullName: String
  let name: String
  let comment: String
  let methods: [Method]

  struct Method {
    let name: String
    let comment: String
    let input: String
    let output: String
    let clientStreaming: Bool
    let serverStreaming: Bool
    let isInternal: Bool
  }
}
