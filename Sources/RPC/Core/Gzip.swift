import CZlib

/// The one compression beside none: of gRPC messages, and of bodies of plain HTTP.
package enum Gzip {
  // Window bits 15, plus 16 for the gzip wrapper instead of zlib's own.
  fileprivate static let windowBits: Int32 = 15 + 16
  private static let chunkBytes = 16 << 10

  // Between services time is dearer than the last few bytes.
  private static let level = Z_BEST_SPEED
  private static let memoryLevel: Int32 = 8

  /// Compresses one message or body.
  ///
  /// - Throws: INTERNAL when there is no memory.
  package static func deflate(_ bytes: UnsafeRawBufferPointer) throws(RPCError) -> [UInt8] {
    var stream = z_stream()
    let size = Int32(MemoryLayout<z_stream>.size)
    guard
      deflateInit2_(
        &stream, level, Z_DEFLATED, windowBits, memoryLevel, Z_DEFAULT_STRATEGY, ZLIB_VERSION, size) == Z_OK
    else { throw RPCError(.internal, "no memory to compress a message") }
    defer { deflateEnd(&stream) }
    stream.next_in = UnsafeMutablePointer(mutating: bytes.assumingMemoryBound(to: UInt8.self).baseAddress)
    stream.avail_in = UInt32(bytes.count)
    var result = Z_OK
    let message = [UInt8](unsafeUninitializedCapacity: Int(deflateBound(&stream, UInt(bytes.count)))) { room, count in
      stream.next_out = room.baseAddress
      stream.avail_out = UInt32(room.count)
      result = CZlib.deflate(&stream, Z_FINISH)
      count = room.count - Int(stream.avail_out)
    }
    guard result == Z_STREAM_END else { throw RPCError(.internal, "a message cannot be compressed") }
    return message
  }

  /// Expands one compressed message or body.
  ///
  /// - Throws: RESOURCE_EXHAUSTED as soon as the expanded bytes pass `bytesMax`, INTERNAL for bytes that are not one
  ///   whole gzip member.
  package static func inflate(_ bytes: UnsafeRawBufferPointer, bytesMax: Int) throws(RPCError) -> [UInt8] {
    var stream = z_stream()
    let size = Int32(MemoryLayout<z_stream>.size)
    guard inflateInit2_(&stream, windowBits, ZLIB_VERSION, size) == Z_OK else {
      throw RPCError(.internal, "no memory to decompress a message")
    }
    defer { inflateEnd(&stream) }
    stream.next_in = UnsafeMutablePointer(mutating: bytes.assumingMemoryBound(to: UInt8.self).baseAddress)
    stream.avail_in = UInt32(bytes.count)
    var message: [UInt8] = []
    var result = Z_OK
    while result == Z_OK {
      var room = [UInt8](repeating: 0, count: min(chunkBytes, bytesMax - message.count + 1))
      room.withUnsafeMutableBufferPointer { room in
        stream.next_out = room.baseAddress
        stream.avail_out = UInt32(room.count)
        result = CZlib.inflate(&stream, Z_NO_FLUSH)
      }
      message.append(contentsOf: room.dropLast(Int(stream.avail_out)))
      guard message.count <= bytesMax else {
        throw RPCError(.resourceExhausted, "decompressed message is over the limit of \(bytesMax) bytes")
      }
    }
    guard result == Z_STREAM_END, stream.avail_in == 0 else {
      throw RPCError(.internal, "a compressed message is broken")
    }
    return message
  }
}

/// Expands one gzip member that comes in parts of any length, a bounded piece at a time. For one task.
package final class GzipReader {
  /// Most bytes that ``next()`` gives.
  package static let pieceBytesMax = 64 << 10

  /// Whether the member's end has come.
  package private(set) var isComplete = false
  // On the heap: what zlib keeps of it refers back to it.
  private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
  private var part: [UInt8] = []
  private var used = 0
  private var mayHoldMore = false

  /// Begins a member.
  ///
  /// - Throws: INTERNAL when there is no memory.
  package init() throws(RPCError) {
    stream.initialize(to: z_stream())
    let size = Int32(MemoryLayout<z_stream>.size)
    guard inflateInit2_(stream, Gzip.windowBits, ZLIB_VERSION, size) == Z_OK else {
      throw RPCError(.internal, "no memory to decompress a message")
    }
  }

  deinit {
    // Does nothing to one that could not be begun.
    inflateEnd(stream)
    stream.deinitialize(count: 1)
    stream.deallocate()
  }

  /// Takes the part behind those before, of which ``next()`` has given everything.
  package func feed(_ part: [UInt8]) {
    self.part = part
    used = 0
    mayHoldMore = true
  }

  /// More of what was compressed; nil when the parts so far hold no more.
  ///
  /// - Throws: INTERNAL for bytes that are not one gzip member.
  package func next() throws(RPCError) -> [UInt8]? {
    guard mayHoldMore else { return nil }
    guard !isComplete else { throw Self.broken }
    var result = Z_OK
    let piece = [UInt8](unsafeUninitializedCapacity: Self.pieceBytesMax) { room, count in
      part.withUnsafeBufferPointer { part in
        stream.pointee.next_in = UnsafeMutablePointer(mutating: part.baseAddress.map { $0 + used })
        stream.pointee.avail_in = UInt32(part.count - used)
        stream.pointee.next_out = room.baseAddress
        stream.pointee.avail_out = UInt32(Self.pieceBytesMax)
        result = CZlib.inflate(stream, Z_NO_FLUSH)
        used = part.count - Int(stream.pointee.avail_in)
        count = Self.pieceBytesMax - Int(stream.pointee.avail_out)
      }
    }
    isComplete = result == Z_STREAM_END
    // Z_BUF_ERROR: there is nothing to be had from what is there.
    guard isComplete || result == Z_OK || result == Z_BUF_ERROR else { throw Self.broken }
    mayHoldMore = used < part.count || (!isComplete && piece.count == Self.pieceBytesMax)
    return piece.isEmpty && !mayHoldMore ? nil : piece
  }

  private static let broken = RPCError(.internal, "a compressed message is broken")
}
