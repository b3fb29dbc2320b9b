/// Holds a message inside a message of its own type, which a struct cannot hold directly.
package final class Box<Value: Sendable>: Sendable {
  /// The value, which never changes: a new value takes a new box.
  package let value: Value

  /// Boxes `value`.
  package init(_ value: Value) {
    self.value = value
  }
}

extension Box: Equatable where Value: Equatable {
  /// Compares the values, which a shared box makes unnecessary.
  package static func == (left: Box, right: Box) -> Bool {
    left === right || left.value == right.value
  }
}
