import Glibc

/// Contiguous bytes that grow at the end and are consumed from the front, made for reuse.
///
/// Not copyable: it has one owner, usually a connection, and is lent `inout`.
package struct ByteBuffer: ~Copyable {
  private var base: UnsafeMutableRawPointer?
  private var start = 0
  private var end = 0
  /// Bytes of memory held.
  package private(set) var capacity = 0

  /// Makes an empty buffer; memory is taken when the first byte needs it, or now for a given capacity.
  package init(capacity: Int = 0) {
    if capacity > 0 { grow(to: capacity) }
  }

  deinit { free(base) }

  /// Bytes not consumed yet.
  package var count: Int { end - start }
  /// Whether everything was consumed.
  package var isEmpty: Bool { start == end }

  /// The unconsumed bytes; valid until the buffer is next changed.
  package var readable: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base.map { $0 + start }, count: count) }

  /// Makes room for at least `minimum` more bytes and returns all the free room; follow with ``commit(_:)``.
  package mutating func reserve(_ minimum: Int) -> UnsafeMutableRawBufferPointer {
    if capacity - end < minimum {
      if start > 0, let base {
        memmove(base, base + start, count)
        end -= start
        start = 0
      }
      if capacity - end < minimum { grow(to: max(end + minimum, capacity * 2, 256)) }
    }
    return UnsafeMutableRawBufferPointer(start: base.map { $0 + end }, count: capacity - end)
  }

  /// Declares `written` bytes of the room given by ``reserve(_:)`` to be content.
  package mutating func commit(_ written: Int) {
    precondition(written >= 0 && end + written <= capacity, "committed more bytes than were reserved")
    end += written
  }

  /// Appends a copy of the bytes.
  package mutating func append(_ bytes: UnsafeRawBufferPointer) {
    guard let source = bytes.baseAddress, bytes.count > 0 else { return }
    memcpy(reserve(bytes.count).baseAddress!, source, bytes.count)
    end += bytes.count
  }

  /// Appends a copy of the bytes.
  package mutating func append(_ bytes: [UInt8]) { bytes.withUnsafeBytes { append($0) } }

  /// Appends one byte.
  package mutating func append(_ byte: UInt8) {
    reserve(1)[0] = byte
    end += 1
  }

  /// Drops bytes from the front; rewinds when nothing is left.
  package mutating func consume(_ bytes: Int) {
    precondition(bytes >= 0 && bytes <= count, "consumed more bytes than there are")
    start += bytes
    if start == end {
      start = 0
      end = 0
    }
  }

  /// Forgets the content and keeps the memory, unless that is more than `capacityMax`.
  package mutating func clear(keepingAtMost capacityMax: Int = .max) {
    start = 0
    end = 0
    guard capacity > capacityMax else { return }
    free(base)
    base = nil
    capacity = 0
  }

  private mutating func grow(to size: Int) {
    guard let grown = realloc(base, size) else { preconditionFailure("out of memory") }
    base = grown
    capacity = size
  }
}
