/// Writes the struct of a message and its way to and from C.
struct MessageWriter {
  private let message: ProtoMessage
  private let types: TypeIndex
  private let swiftType: String
  private let fields: [FieldCode]

  /// A property: a field, or a oneof at the place of its first member.
  private enum Member {
    case field(FieldCode)
    case oneof(ProtoOneof, [FieldCode])
  }

  private let members: [Member]

  init(_ message: ProtoMessage, _ types: TypeIndex) throws {
    self.message = message
    self.types = types
    swiftType = try types.swiftType(message.fullName)
    let fields = try message.fields.map { try FieldCode($0, in: message, types) }
    self.fields = fields
    var members: [Member] = []
    var written: Set<Int> = []
    for code in fields {
      guard let index = code.field.oneofIndex else {
        members.append(.field(code))
        continue
      }
      if written.insert(index).inserted {
        members.append(.oneof(message.oneofs[index], fields.filter { $0.field.oneofIndex == index }))
      }
    }
    self.members = members
    try checkNames()
  }

  private func checkNames() throws {
    var names: Set<String> = []
    for name in members.map(propertyName) where !names.insert(name).inserted {
      throw GeneratorError("\(message.fullName): two fields would be named \(name) in Swift")
    }
    var nested = Set(message.messages.map(\.name) + message.enums.map(\.name))
    for case .oneof(let oneof, _) in members where !nested.insert(oneofType(oneof)).inserted {
      throw GeneratorError("\(message.fullName): the oneof \(oneof.name) would be named like a nested type")
    }
    for code in fields where nested.contains(code.elementType) {
      throw GeneratorError("\(message.fullName): the nested type \(code.elementType) hides the type of \(code.name)")
    }
  }

  private func propertyName(_ member: Member) -> String {
    switch member {
    case .field(let code): code.name
    case .oneof(let oneof, _): SwiftName.property(oneof.name)
    }
  }

  private func propertyType(_ member: Member) -> String {
    switch member {
    case .field(let code): code.propertyType
    case .oneof(let oneof, _): oneofType(oneof) + "?"
    }
  }

  private func defaultValue(_ member: Member) -> String {
    switch member {
    case .field(let code): code.defaultValue
    case .oneof: "nil"
    }
  }

  private func oneofType(_ oneof: ProtoOneof) -> String { SwiftName.pascal(oneof.name) }

  func write(_ writer: inout SourceWriter) throws {
    let simpleName = swiftType.split(separator: ".").last.map(String.init) ?? swiftType
    writer.doc(message.comment, fallback: "The message `\(message.fullName)`.")
    try writer.block("package struct \(simpleName): Message") { writer in
      for enumeration in message.enums {
        EnumWriter(enumeration).write(&writer)
        writer.line()
      }
      for nested in message.messages {
        try MessageWriter(nested, types).write(&writer)
        writer.line()
      }
      for case .oneof(let oneof, let cases) in members {
        writeOneof(oneof, cases, &writer)
        writer.line()
      }
      for member in members { writeProperty(member, &writer) }
      if !members.isEmpty { writer.line() }
      writeInitializers(&writer)
      writer.line()
      writeDescriptor(&writer)
      writer.line()
      writeRead(&writer)
      writer.line()
      writeWrite(&writer)
    }
  }

  private func writeOneof(_ oneof: ProtoOneof, _ cases: [FieldCode], _ writer: inout SourceWriter) {
    writer.doc(oneof.comment, fallback: "The alternatives of `\(SwiftName.lowerCamel(oneof.name))`.")
    writer.block("package enum \(oneofType(oneof)): Equatable, Sendable") { writer in
      for code in cases {
        writer.doc(code.field.comment, fallback: "The field `\(code.field.name)`.")
        writer.line("\(code.isBoxed ? "indirect " : "")case \(code.name)(\(code.elementType))")
      }
    }
  }

  private func writeProperty(_ member: Member, _ writer: inout SourceWriter) {
    let name = propertyName(member)
    switch member {
    case .field(let code):
      writer.doc(code.field.comment, fallback: "The field `\(code.field.name)`.")
      guard code.isBoxed else { break }
      writer.block("package var \(name): \(propertyType(member))") { writer in
        writer.line("get { \(boxName(code))?.value }")
        writer.line("set { \(boxName(code)) = newValue.map { Box($0) } }")
      }
      writer.line("private var \(boxName(code)): Box<\(code.elementType)>?")
      return
    case .oneof(let oneof, _):
      writer.doc(oneof.comment, fallback: "Which of the alternatives is set, or nil.")
    }
    let type = propertyType(member)
    writer.line("package var \(name): \(type)" + (type.hasSuffix("?") ? "" : " = \(defaultValue(member))"))
  }

  private func boxName(_ code: FieldCode) -> String { "boxed\(SwiftName.pascal(code.field.name))" }

  private func writeInitializers(_ writer: inout SourceWriter) {
    writer.line("/// Leaves every field at its default.")
    writer.line("package init() {}")
    guard !members.isEmpty else { return }
    writer.line()
    writer.line("/// Takes the fields that are given and leaves the others at their defaults.")
    let parameters = members.map { "\(propertyName($0)): \(propertyType($0)) = \(defaultValue($0))" }
    writer.list("package init(", parameters, ") {")
    writer.indented { writer in
      for member in members { writer.line("self.\(propertyName(member)) = \(propertyName(member))") }
    }
    writer.line("}")
  }

  private func writeDescriptor(_ writer: inout SourceWriter) {
    writer.line("/// The type `\(message.fullName)`.")
    writer.line("package static let descriptor: MessageDescriptor = {")
    writer.indented { writer in
      writer.line("var c = \(CName.type(message.fullName))()")
      writer.line("\(CName.function(message.fullName))__init(&c)")
      writer.line("return MessageDescriptor(cMessage: &c)")
    }
    writer.line("}()")
  }

  private func writeRead(_ writer: inout SourceWriter) {
    writer.line("/// Reads a `\(CName.type(message.fullName))`.")
    guard !members.isEmpty else {
      writer.line("package init(cMessage: UnsafeRawPointer) {}")
      return
    }
    writer.block("package init(cMessage: UnsafeRawPointer)") { writer in
      writer.line("let c = cMessage.assumingMemoryBound(to: \(CName.type(message.fullName)).self)")
      for member in members {
        switch member {
        case .field(let code): writer.line("\(code.name) = \(code.read)")
        case .oneof(let oneof, let cases):
          writer.line("switch c.pointee.\(CName.oneofCase(oneof.name)).rawValue {")
          for code in cases {
            writer.line("case \(code.field.number): \(propertyName(member)) = .\(code.name)(\(code.read))")
          }
          writer.line("default: break")
          writer.line("}")
        }
      }
    }
  }

  private func writeWrite(_ writer: inout SourceWriter) {
    writer.line("/// Writes a `\(CName.type(message.fullName))` into the arena.")
    writer.block(
      "package func makeCMessage(_ arena: Arena) throws(ProtobufError) -> UnsafeMutableRawPointer"
    ) { writer in
      writer.line("let c = arena.make(\(CName.type(message.fullName)).self)")
      writer.line("\(CName.function(message.fullName))__init(c)")
      for member in members {
        switch member {
        case .field(let code): writeField(code, &writer)
        case .oneof(let oneof, let cases): writeOneofValue(oneof, cases, &writer)
        }
      }
      writer.line("return UnsafeMutableRawPointer(c)")
    }
  }

  private func writeField(_ code: FieldCode, _ writer: inout SourceWriter) {
    guard let condition = code.writeCondition else {
      for line in code.write(code.name) { writer.line(line) }
      return
    }
    writer.block("if \(condition)") { writer in
      for line in code.write(code.name) { writer.line(line) }
    }
  }

  private func writeOneofValue(_ oneof: ProtoOneof, _ cases: [FieldCode], _ writer: inout SourceWriter) {
    writer.line("switch \(SwiftName.property(oneof.name)) {")
    for code in cases {
      writer.line("case .\(code.name)(let value):")
      writer.indented { writer in
        writer.line("c.pointee.\(CName.oneofCase(oneof.name)) = .init(rawValue: \(code.field.number))")
        for line in code.write("value") { writer.line(line) }
      }
    }
    writer.line("case nil: break")
    writer.line("}")
  }
}
