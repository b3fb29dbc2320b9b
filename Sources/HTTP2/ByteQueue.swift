import Glibc

/// Contiguous bytes, written at the end and read from the front. Owns one block of memory.
///
/// An array cannot take its place: bytes are handed to C and to encoders by pointer, and must not be zeroed first.
struct ByteQueue: ~Copyable {
  private var base: UnsafeMutableRawPointer?
  private var capacity = 0
  private var head = 0
  private var tail = 0

  init() {}

  deinit { free(base) }

  var count: Int { tail - head }
  var isEmpty: Bool { head == tail }

  /// The bytes to be read; valid until the next change.
  var readable: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: base.map { UnsafeRawPointer($0 + head) }, count: tail - head)
  }

  mutating func append(_ bytes: UnsafeRawBufferPointer) {
    guard let source = bytes.baseAddress, bytes.count > 0 else { return }
    memcpy(reserve(bytes.count), source, bytes.count)
    tail += bytes.count
  }

  mutating func append(_ bytes: UnsafeRawPointer, count: Int) {
    append(UnsafeRawBufferPointer(start: bytes, count: count))
  }

  /// Room for `count` bytes behind the last one; `commit` makes them readable.
  mutating func reserve(_ count: Int) -> UnsafeMutableRawPointer {
    if let base, capacity - tail >= count { return base + tail }
    return makeRoom(count)
  }

  mutating func commit(_ count: Int) {
    precondition(count >= 0 && count <= capacity - tail, "more bytes committed than reserved")
    tail += count
  }

  mutating func drop(_ count: Int) {
    precondition(count >= 0 && count <= tail - head, "more bytes dropped than held")
    head += count
    if head == tail { (head, tail) = (0, 0) }
  }

  /// Empties the queue and gives memory above `capacityMax` bytes back.
  mutating func reset(keepingUpTo capacityMax: Int) {
    (head, tail) = (0, 0)
    guard capacity > capacityMax else { return }
    free(base)
    base = nil
    capacity = 0
  }

  private mutating func makeRoom(_ count: Int) -> UnsafeMutableRawPointer {
    let held = tail - head
    if let base, head >= held, capacity - held >= count {
      memmove(base, base + head, held)
    } else {
      let grown = max(512, max(held + count, capacity * 2))
      // Out of memory has no answer here: the process cannot go on.
      guard let fresh = malloc(grown) else { preconditionFailure("out of memory") }
      if let base { memcpy(fresh, base + head, held) }
      free(base)
      base = fresh
      capacity = grown
    }
    (head, tail) = (0, held)
    return base.unsafelyUnwrapped + tail
  }
}
