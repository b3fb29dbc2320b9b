import CDescriptorProtos

/// Turns the C descriptors that protoc sends into the generator's model, comments attached.
///
/// The numbers in the paths are those of descriptor.proto: `FileDescriptorProto.message_type` is 4, and so on.
struct DescriptorReader {
  private let package: String
  private let comments: [[Int32]: String]
  private let file: UnsafeMutablePointer<Google__Protobuf__FileDescriptorProto>

  init(_ file: UnsafeMutablePointer<Google__Protobuf__FileDescriptorProto>) {
    self.file = file
    package = text(file.pointee.package)
    var comments: [[Int32]: String] = [:]
    if let info = file.pointee.source_code_info {
      for location in list(info.pointee.location, info.pointee.n_location) {
        let path = Array(UnsafeBufferPointer(start: location.pointee.path, count: location.pointee.n_path))
        let leading = text(location.pointee.leading_comments)
        comments[path] = leading.isEmpty ? text(location.pointee.trailing_comments) : leading
      }
    }
    self.comments = comments
  }

  func read() -> ProtoFile {
    let name = text(file.pointee.name)
    let messages = list(file.pointee.message_type, file.pointee.n_message_type)
    let enums = list(file.pointee.enum_type, file.pointee.n_enum_type)
    let services = list(file.pointee.service, file.pointee.n_service)
    return ProtoFile(
      name: name, package: package,
      messages: messages.enumerated().map { message($1, package, [4, Int32($0)]) },
      enums: enums.enumerated().map { enumeration($1, package, [5, Int32($0)]) },
      services: services.enumerated().map { service($1, [6, Int32($0)]) })
  }

  private func message(
    _ message: UnsafeMutablePointer<Google__Protobuf__DescriptorProto>, _ scope: String, _ path: [Int32]
  ) -> ProtoMessage {
    let fullName = join(scope, text(message.pointee.name))
    let fields = list(message.pointee.field, message.pointee.n_field)
    let oneofs = list(message.pointee.oneof_decl, message.pointee.n_oneof_decl)
    let nested = list(message.pointee.nested_type, message.pointee.n_nested_type)
    let enums = list(message.pointee.enum_type, message.pointee.n_enum_type)
    return ProtoMessage(
      fullName: fullName, name: text(message.pointee.name), comment: comment(path),
      fields: fields.enumerated().map { field($1, path + [2, Int32($0)]) },
      oneofs: oneofs.enumerated().map {
        ProtoOneof(name: text($1.pointee.name), comment: comment(path + [8, Int32($0)]))
      },
      messages: nested.enumerated().map { self.message($1, fullName, path + [3, Int32($0)]) },
      enums: enums.enumerated().map { enumeration($1, fullName, path + [4, Int32($0)]) })
  }

  private func field(
    _ field: UnsafeMutablePointer<Google__Protobuf__FieldDescriptorProto>, _ path: [Int32]
  ) -> ProtoField {
    ProtoField(
      name: text(field.pointee.name), comment: comment(path), number: field.pointee.number,
      kind: field.pointee.type,
      isRepeated: field.pointee.label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED,
      typeName: withoutDot(text(field.pointee.type_name)),
      oneofIndex: field.pointee.has_oneof_index != 0 ? Int(field.pointee.oneof_index) : nil)
  }

  private func enumeration(
    _ enumeration: UnsafeMutablePointer<Google__Protobuf__EnumDescriptorProto>, _ scope: String, _ path: [Int32]
  ) -> ProtoEnumType {
    let values = list(enumeration.pointee.value, enumeration.pointee.n_value)
    return ProtoEnumType(
      fullName: join(scope, text(enumeration.pointee.name)), name: text(enumeration.pointee.name),
      comment: comment(path),
      values: values.enumerated().map {
        .init(name: text($1.pointee.name), comment: comment(path + [2, Int32($0)]), number: $1.pointee.number)
      })
  }

  private func service(
    _ service: UnsafeMutablePointer<Google__Protobuf__ServiceDescriptorProto>, _ path: [Int32]
  ) -> ProtoService {
    let methods = list(service.pointee.method, service.pointee.n_method)
    return ProtoService(
      fullName: join(package, text(service.pointee.name)), name: text(service.pointee.name), comment: comment(path),
      methods: methods.enumerated().map {
        .init(
          name: text($1.pointee.name), comment: comment(path + [2, Int32($0)]),
          input: withoutDot(text($1.pointee.input_type)), output: withoutDot(text($1.pointee.output_type)),
          clientStreaming: $1.pointee.client_streaming != 0, serverStreaming: $1.pointee.server_streaming != 0,
          isInternal: isInternal($1.pointee.options))
      })
  }

  /// Whether `(handoff.type.v1.internal)` is set; protobuf-c knows no extensions, so it arrives as an unknown field.
  private func isInternal(_ options: UnsafeMutablePointer<Google__Protobuf__MethodOptions>?) -> Bool {
    guard let base = options?.pointee.base else { return false }
    let unknown = UnsafeBufferPointer(start: base.unknown_fields, count: Int(base.n_unknown_fields))
    return unknown.contains { $0.tag == 50001 && $0.len == 1 && $0.data?.pointee == 1 }
  }

  private func comment(_ path: [Int32]) -> String { comments[path] ?? "" }

  private func join(_ scope: String, _ name: String) -> String { scope.isEmpty ? name : "\(scope).\(name)" }

  private func withoutDot(_ name: String) -> String { name.hasPrefix(".") ? String(name.dropFirst()) : name }
}

/// A C string of a descriptor; nil means that the field is absent.
func text(_ pointer: UnsafePointer<CChar>?) -> String {
  pointer.map { String(cString: $0) } ?? ""
}

/// A repeated message of a descriptor.
func list<Element>(
  _ elements: UnsafeMutablePointer<UnsafeMutablePointer<Element>?>?, _ count: Int
) -> [UnsafeMutablePointer<Element>] {
  UnsafeBufferPointer(start: elements, count: count).compactMap { $0 }
}
