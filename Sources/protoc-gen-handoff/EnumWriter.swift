/// Writes the open enum of a proto enum.
struct EnumWriter {
  private let enumeration: ProtoEnumType

  init(_ enumeration: ProtoEnumType) {
    self.enumeration = enumeration
  }

  /// The values with aliases left out: the first name of a number is the one that is written.
  private var distinct: [ProtoEnumType.Value] {
    var numbers: Set<Int32> = []
    return enumeration.values.filter { numbers.insert($0.number).inserted }
  }

  private func name(_ value: ProtoEnumType.Value) -> String {
    SwiftName.enumValue(value.name, of: enumeration.name)
  }

  func write(_ writer: inout SourceWriter) {
    let type = enumeration.name
    writer.doc(enumeration.comment, fallback: "The enum `\(enumeration.fullName)`.")
    writer.block("package struct \(type): ProtoEnum") { writer in
      for value in enumeration.values {
        writer.doc(value.comment, fallback: "The value `\(value.name)`.")
        writer.line("package static let \(name(value)) = \(type)(rawValue: \(value.number))")
      }
      writer.line()
      writer.line("/// The number on the wire.")
      writer.line("package let rawValue: Int32")
      writer.line()
      writer.line("/// Takes any number; one that is not declared is kept as it is.")
      writer.block("package init(rawValue: Int32)") { $0.line("self.rawValue = rawValue") }
      writer.line()
      writer.line("/// The declared values.")
      writer.list("package static let allValues: [\(type)] = [", distinct.map { "." + bare(name($0)) }, "]")
      writer.line()
      writer.line("/// The name in the proto file, or nil for a number that is not declared.")
      writer.block("package var protoName: String?") { writer in
        writer.line("switch rawValue {")
        for value in distinct { writer.line("case \(value.number): \"\(value.name)\"") }
        writer.line("default: nil")
        writer.line("}")
      }
    }
  }

  /// Behind a dot a word of Swift needs no backticks.
  private func bare(_ name: String) -> String { name.filter { $0 != "`" } }
}
