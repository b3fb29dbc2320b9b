/// A reference from anywhere to something that belongs to one loop, which alone may look inside.
// @unchecked: the value is reached on the loop's thread only, which is checked at each access.
package struct LoopBound<Value>: @unchecked Sendable {
  /// The owner.
  package let loop: EventLoop
  private var bound: Value

  /// Binds a value to a loop; the caller must be on that loop, or hand over its only reference.
  package init(_ value: Value, _ loop: EventLoop) {
    bound = value
    self.loop = loop
  }

  /// The value; the process stops when the caller is not on the loop.
  package var value: Value {
    get {
      loop.checkIsolated()
      return bound
    }
    set {
      loop.checkIsolated()
      bound = newValue
    }
  }
}
