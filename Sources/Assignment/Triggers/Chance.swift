/// What random assignments are drawn with: the system's generator, or one that a test has seeded.
package struct Chance: RandomNumberGenerator, Sendable {
  private let draw: @Sendable () -> UInt64

  /// Draws with the system's generator.
  package init() {
    self.init {
      var system = SystemRandomNumberGenerator()
      return system.next()
    }
  }

  /// Draws what a closure gives: 64 random bits at a time.
  package init(_ draw: @escaping @Sendable () -> UInt64) { self.draw = draw }

  /// The next 64 bits.
  package mutating func next() -> UInt64 { draw() }
}
