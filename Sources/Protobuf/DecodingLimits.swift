/// Bounds on a serialized message, checked before any of it is decoded.
package struct DecodingLimits: Sendable {
  /// The most serialized bytes of the whole message.
  package var bytesMax: Int
  /// The most levels of nesting, the outermost message being level 1.
  package var depthMax: Int
  /// The most field occurrences and packed elements in the whole message, unknown fields included.
  ///
  /// Two bytes on the wire can become a C struct of some hundred bytes, so size alone bounds little.
  package var elementsMax: Int
  /// The most bytes of C structs, strings and arrays that decoding may allocate.
  package var memoryBytesMax: Int

  /// 4 MiB, 64 levels, 262,144 fields and elements, 64 MiB of memory.
  package static let `default` = DecodingLimits()

  /// Takes each bound from its argument.
  package init(
    bytesMax: Int = 4 << 20, depthMax: Int = 64, elementsMax: Int = 1 << 18, memoryBytesMax: Int = 64 << 20
  ) {
    self.bytesMax = bytesMax
    self.depthMax = depthMax
    self.elementsMax = elementsMax
    self.memoryBytesMax = memoryBytesMax
  }
}
