import CZlib

/// The one compression beside none: of gRPC messages, and of bodies of plain HTTP.
package enum Gzip {
  // Window bits 15, plus 16 for the gzip wrapper instead of zlib's own.
  private static let windowBits: Int32 = 15 + 16
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
