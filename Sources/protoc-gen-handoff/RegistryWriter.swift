/// Writes the lists of all message types and services of a module.
struct RegistryWriter {
  private let name: String
  private let files: [ProtoFile]
  private let types: TypeIndex

  init(_ name: String, _ files: [ProtoFile], _ types: TypeIndex) {
    self.name = name
    self.files = files
    self.types = types
  }

  func write(_ writer: inout SourceWriter) throws {
    let messages = files.flatMap { file in file.messages.flatMap { withNested($0) } }
    writer.line("/// Every message type and service of the module, for code that works by descriptor.")
    try writer.block("package enum \(name)") { writer in
      writer.line("/// The message types by full name, those of other modules that they use included.")
      writer.line("package static let descriptors: [String: MessageDescriptor] = Dictionary(")
      writer.indented { $0.line("uniqueKeysWithValues: types.map { ($0.descriptor.fullName, $0.descriptor) })") }
      writer.line()
      writer.line("/// The same as Swift types.")
      writer.line("package static let types: [any Message.Type] = [")
      try writer.indented { writer in
        for message in messages { writer.line("\(try types.swiftType(message.fullName)).self,") }
      }
      writer.line("]")
      writer.line()
      writer.line("/// The services in the order of the proto files.")
      writer.line("package static let services: [ServiceDescriptor] = [")
      try writer.indented { writer in
        for service in files.flatMap(\.services) { try write(service, &writer) }
      }
      writer.line("]")
    }
  }

  private func write(_ service: ProtoService, _ writer: inout SourceWriter) throws {
    writer.line("ServiceDescriptor(")
    try writer.indented { writer in
      writer.line("fullName: \"\(service.fullName)\",")
      writer.line("methods: [")
      try writer.indented { writer in
        for method in service.methods {
          let items = [
            "name: \"\(method.name)\"", "input: \(try types.swiftType(method.input)).descriptor",
            "output: \(try types.swiftType(method.output)).descriptor",
            "clientStreaming: \(method.clientStreaming)", "serverStreaming: \(method.serverStreaming)",
            "isInternal: \(method.isInternal)",
          ]
          writer.list("MethodDescriptor(", items, "),")
        }
      }
      writer.line("]),")
    }
  }

  private func withNested(_ message: ProtoMessage) -> [ProtoMessage] {
    [message] + message.messages.flatMap { withNested($0) }
  }
}
