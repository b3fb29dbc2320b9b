import CProtobufC

/// A generated message.
package protocol Message: Sendable, Equatable {
  /// A message with every field at its default.
  init()

  /// The C descriptor of the message's type.
  static var descriptor: MessageDescriptor { get }

  /// Reads the message's C struct, of the type that protoc-c generated for it.
  init(cMessage: UnsafeRawPointer)

  /// Writes the message into a new C struct in the arena.
  ///
  /// - Throws: a string field holds a NUL character.
  func makeCMessage(_ arena: Arena) throws(ProtobufError) -> UnsafeMutableRawPointer
}

extension Message {
  /// Reads a serialized message. Unknown fields are dropped; unknown enum values are kept.
  ///
  /// - Throws: a limit is passed, the bytes are malformed, or a string field is not UTF-8 or holds a NUL.
  package init(
    serialized bytes: UnsafeRawBufferPointer, limits: DecodingLimits = .default
  ) throws(ProtobufError) {
    guard bytes.count > 0 else {
      self.init()
      return
    }
    let arena = Arena.borrow(bytesMax: limits.memoryBytesMax)
    defer { Arena.giveBack(arena) }
    self.init(cMessage: try unpack(bytes, Self.descriptor.pointer, limits, arena))
  }

  /// Reads a serialized message; see `init(serialized:limits:)` of a buffer.
  package init(serialized bytes: [UInt8], limits: DecodingLimits = .default) throws(ProtobufError) {
    self = try bytes.withTypedThrows { (bytes) throws(ProtobufError) in
      try Self(serialized: bytes, limits: limits)
    }
  }

  /// Makes the message ready to be written: its size is known and nothing can fail any more.
  ///
  /// - Throws: a string field holds a NUL character.
  package func prepared() throws(ProtobufError) -> PreparedMessage {
    let arena = Arena.borrow(bytesMax: .max)
    do throws(ProtobufError) {
      let message = try makeCMessage(arena)
      return PreparedMessage(message.assumingMemoryBound(to: ProtobufCMessage.self), arena)
    } catch {
      Arena.giveBack(arena)
      throw error
    }
  }

  /// The serialized message.
  ///
  /// - Throws: a string field holds a NUL character.
  package func serialized() throws(ProtobufError) -> [UInt8] {
    let message = try prepared()
    return [UInt8](unsafeUninitializedCapacity: message.byteCount) { buffer, count in
      message.write(to: UnsafeMutableRawBufferPointer(buffer))
      count = message.byteCount
    }
  }

  /// Appends the serialized message to `bytes`.
  ///
  /// - Throws: a string field holds a NUL character.
  package func serialize(into bytes: inout [UInt8]) throws(ProtobufError) {
    bytes.append(contentsOf: try serialized())
  }
}

/// A message in its C form together with its serialized size; ends its use of the thread's arena when it goes away.
package struct PreparedMessage: ~Copyable {
  private let message: UnsafeMutablePointer<ProtobufCMessage>
  private let arena: Arena
  /// The size of the serialized message.
  package let byteCount: Int

  fileprivate init(_ message: UnsafeMutablePointer<ProtobufCMessage>, _ arena: Arena) {
    self.message = message
    self.arena = arena
    byteCount = protobuf_c_message_get_packed_size(message)
  }

  deinit {
    Arena.giveBack(arena)
  }

  /// Writes the serialized message to the start of `bytes`, which must hold at least `byteCount`.
  package func write(to bytes: UnsafeMutableRawBufferPointer) {
    precondition(bytes.count >= byteCount, "buffer of \(bytes.count) bytes for a message of \(byteCount)")
    guard let start = bytes.baseAddress else { return }
    protobuf_c_message_pack(message, start.assumingMemoryBound(to: UInt8.self))
  }
}

/// Scans the bytes and has protobuf-c read them into the arena.
func unpack(
  _ bytes: UnsafeRawBufferPointer, _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>,
  _ limits: DecodingLimits, _ arena: Arena
) throws(ProtobufError) -> UnsafeMutablePointer<ProtobufCMessage> {
  var scanner = WireScanner(limits)
  try scanner.scan(bytes, descriptor)
  if scanner.needsMerge {
    let merged = try WireMerger.merge(bytes, descriptor)
    return try merged.withTypedThrows { (bytes) throws(ProtobufError) in
      try unpackScanned(bytes, descriptor, arena)
    }
  }
  return try unpackScanned(bytes, descriptor, arena)
}

private func unpackScanned(
  _ bytes: UnsafeRawBufferPointer, _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>, _ arena: Arena
) throws(ProtobufError) -> UnsafeMutablePointer<ProtobufCMessage> {
  let start = bytes.assumingMemoryBound(to: UInt8.self).baseAddress
  if let message = protobuf_c_message_unpack(descriptor, arena.allocator, bytes.count, start) { return message }
  // After the scan two causes are left: the arena refused memory, or a proto2 field that is required is missing.
  let reason: ProtobufError.Reason = arena.hasRefused ? .tooMuchMemory(bytesMax: arena.bytesMax) : .refused
  throw ProtobufError(reason, path: String(cString: descriptor.pointee.name))
}
