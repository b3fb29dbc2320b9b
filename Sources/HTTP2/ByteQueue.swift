/// Contiguous bytes, written at the end and read from the front. Owns one block of memory.
///
/// An array cannot take its place: bytes are handed to C and to encoders by pointer, and must not be zeroed first.
struct ByteQueue: ~Copyable {
  private var base: UnsafeMutableRawPointer?
  private var capacity = 0
  private var head = 0
  private var tail = 0

  init() {}

  deinit { base?.deallocate() }

  var count: Int { tail - head }
  var isEmpty: Bool { head == tail }

  /// The bytes to be read; valid until the next change.
  var readable: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: base.map { UnsafeRawPointer($0 + head) }, count: tail - head)
  }

  mutating func append(_ bytes: UnsafeRawBufferPointer) {
    guard let source = bytes.baseAddress, bytes.count > 0 else { return }
    reserve(bytes.count).copyMemory(from: source, byteCount: bytes.count)
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
    base?.deallocate()
    base = nil
    capacity = 0
  }

  private mutating func makeRoom(_ count: Int) -> UnsafeMutableRawPointer {
    let held = tail - head
    if let base, head >= held, capacity - held >= count {
      base.copyMemory(from: base + head, byteCount: held)
      (head, tail) = (0, held)
      return base + held
    }
    let grown = max(512, max(held + count, capacity * 2))
    let fresh = UnsafeMutableRawPointer.allocate(byteCount: grown, alignment: 16)
    if let base {
      fresh.copyMemory(from: base + head, byteCount: held)
      base.deallocate()
    }
    base = fresh
    capacity = grown
    (head, tail) = (0, held)
    return fresh + held
  }
}
