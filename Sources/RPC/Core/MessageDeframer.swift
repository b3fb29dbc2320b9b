import EventLoop

/// How the messages of one direction of a call may be compressed.
enum MessageEncoding {
  case identity
  case gzip

  static let gzipName: StaticString = "gzip"

  /// Whether a list of encodings, as in `grpc-accept-encoding`, has gzip in it.
  static func hasGzip(_ list: UnsafeRawBufferPointer) -> Bool {
    var start = 0
    for end in 0...list.count where end == list.count || list[end] == UInt8(ascii: ",") {
      var last = end
      while start < last, list[start] == UInt8(ascii: " ") { start += 1 }
      while start < last, list[last - 1] == UInt8(ascii: " ") { last -= 1 }
      if UnsafeRawBufferPointer(rebasing: list[start..<last]).matches("gzip") { return true }
      start = end + 1
    }
    return false
  }

  /// Sent to a peer that used another encoding.
  static let accepted: StaticString = "identity,gzip"

  /// Nil for an encoding not known here.
  init?(_ name: UnsafeRawBufferPointer) {
    if name.matches("identity") {
      self = .identity
    } else if name.matches("gzip") {
      self = .gzip
    } else {
      return nil
    }
  }
}

/// Cuts the bytes of a call's DATA into messages: a flag, a length in four bytes, and the payload, cut anywhere by
/// frames.
struct MessageDeframer: ~Copyable {
  /// Length of what stands before each message: 1 byte compression flag, 4 bytes length.
  static let prefixBytes = 5

  let messageBytesMax: Int
  var encoding: MessageEncoding
  /// Whether the message taken last was compressed.
  private(set) var lastWasCompressed = false
  private var buffer = ByteBuffer()

  init(messageBytesMax: Int, encoding: MessageEncoding = .identity) {
    self.messageBytesMax = messageBytesMax
    self.encoding = encoding
  }

  /// Bytes that belong to no message taken so far.
  var count: Int { buffer.count }

  /// Adds received bytes and checks the prefix of the message they continue, so that one over the limit is refused
  /// before it is held.
  mutating func append(_ bytes: UnsafeRawBufferPointer) throws(RPCError) {
    buffer.append(bytes)
    _ = try prefix()
  }

  /// The next complete message, or nil until more bytes come.
  mutating func next() throws(RPCError) -> [UInt8]? {
    guard let (isCompressed, length) = try prefix(), buffer.count >= Self.prefixBytes + length else { return nil }
    let payload = UnsafeRawBufferPointer(rebasing: buffer.readable.dropFirst(Self.prefixBytes).prefix(length))
    lastWasCompressed = isCompressed
    let message = isCompressed ? try Gzip.inflate(payload, bytesMax: messageBytesMax) : [UInt8](payload)
    buffer.consume(Self.prefixBytes + length)
    return message
  }

  /// Lends the one message that the bytes must consist of.
  ///
  /// - Throws: UNIMPLEMENTED when there is none or more than one, INTERNAL when the bytes end within it.
  mutating func sole<Thrown: Error>(
    _ body: (_ message: UnsafeRawBufferPointer, _ wasCompressed: Bool) throws(Thrown) -> Void
  ) throws {
    guard let (isCompressed, length) = try prefix() else {
      guard buffer.isEmpty else { throw RPCError(.internal, "the stream ended inside a message") }
      throw RPCError(.unimplemented, "the method takes one message, none came")
    }
    guard buffer.count >= Self.prefixBytes + length else {
      throw RPCError(.internal, "the stream ended inside a message")
    }
    guard buffer.count == Self.prefixBytes + length else {
      throw RPCError(.unimplemented, "the method takes one message, more came")
    }
    let payload = UnsafeRawBufferPointer(rebasing: buffer.readable.dropFirst(Self.prefixBytes))
    if isCompressed {
      let message = try Gzip.inflate(payload, bytesMax: messageBytesMax)
      clear()
      try message.withUnsafeBytes { try body($0, true) }
    } else {
      try body(payload, false)
      clear()
    }
  }

  /// Forgets what is there, and gives back memory that a small message does not need.
  mutating func clear() { buffer.clear(keepingAtMost: Self.keptBytes) }

  private static let keptBytes = 512

  private func prefix() throws(RPCError) -> (isCompressed: Bool, length: Int)? {
    guard buffer.count >= Self.prefixBytes else { return nil }
    let bytes = buffer.readable
    let flag = bytes[0]
    guard flag <= 1 else { throw RPCError(.internal, "unknown flag before a message") }
    guard flag == 0 || encoding != .identity else {
      throw RPCError(.internal, "compressed message in a call without grpc-encoding")
    }
    let length = Int(UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 1, as: UInt32.self)))
    guard length <= messageBytesMax else {
      throw RPCError(.resourceExhausted, "message of \(length) bytes is over the limit of \(messageBytesMax)")
    }
    return (flag == 1, length)
  }

  /// Writes the prefix of a message.
  static func writePrefix(_ length: Int, isCompressed: Bool = false, to room: UnsafeMutableRawBufferPointer) {
    room[0] = isCompressed ? 1 : 0
    room.storeBytes(of: UInt32(truncatingIfNeeded: length).bigEndian, toByteOffset: 1, as: UInt32.self)
  }
}

extension UnsafeRawBufferPointer {
  /// Whether these bytes are exactly the text.
  func matches(_ text: StaticString) -> Bool {
    guard count == text.utf8CodeUnitCount else { return false }
    for index in 0..<count where self[index] != text.utf8Start[index] { return false }
    return true
  }

  /// Whether these bytes begin with the text.
  func begins(with text: StaticString) -> Bool {
    count >= text.utf8CodeUnitCount
      && UnsafeRawBufferPointer(rebasing: self[0..<text.utf8CodeUnitCount]).matches(text)
  }

  /// Whether a `content-type` is gRPC's: `application/grpc`, `application/grpc+proto`, `application/grpc;charset=…`,
  /// but not `application/grpc-web…`.
  var isGRPCContentType: Bool {
    let name: StaticString = "application/grpc"
    guard begins(with: name) else { return false }
    guard count > name.utf8CodeUnitCount else { return true }
    let next = self[name.utf8CodeUnitCount]
    return next == UInt8(ascii: "+") || next == UInt8(ascii: ";")
  }

  var text: String { String(decoding: self, as: UTF8.self) }
}
