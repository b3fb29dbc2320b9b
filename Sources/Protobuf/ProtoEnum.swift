/// A generated enum: open, so that a number this build does not know survives being read and written.
package protocol ProtoEnum: RawRepresentable<Int32>, Hashable, Sendable, CustomStringConvertible {
  /// Takes any number.
  init(rawValue: Int32)
  /// The declared values in the order of the proto file, without aliases.
  static var allValues: [Self] { get }
  /// The name of the value in the proto file, or nil for a number that is not declared.
  var protoName: String? { get }
}

extension ProtoEnum {
  /// The value 0, which proto3 gives a field that was never set.
  package init() {
    self.init(rawValue: 0)
  }

  /// Finds a declared value by its name in the proto file.
  package init?(protoName: String) {
    guard let value = Self.allValues.first(where: { $0.protoName == protoName }) else { return nil }
    self = value
  }

  /// The name in the proto file, or the number.
  package var description: String { protoName ?? String(rawValue) }
}
