import CProtobufC
import Glibc

/// Memory for the C structs of one message at a time: allocation moves a pointer, and everything is freed at once.
///
/// Not thread-safe; an arena belongs to whoever made or borrowed it. Pointers into it live until `reset()` or `deinit`.
package final class Arena {
  /// The part the C callback works on; it lives outside the object so that protobuf-c can be handed its address.
  struct State {
    var cursor: UnsafeMutableRawPointer
    var end: UnsafeMutableRawPointer
    /// The newest chunk; each chunk begins with a `ChunkHeader` that links to the one before.
    var chunk: UnsafeMutableRawPointer
    var chunkBytes: Int
    var bytesLeft: Int
    var hasRefused = false
  }

  private struct ChunkHeader {
    var previous: UnsafeMutableRawPointer?
  }

  private static let headerBytes = 16
  private static let alignment = 16
  private static let firstChunkBytes = 8 << 10
  private static let chunkBytesMax = 1 << 20

  private let state: UnsafeMutablePointer<State>
  private let firstChunk: UnsafeMutableRawPointer

  /// What `protobuf_c_message_unpack` allocates with; freeing through it does nothing.
  let allocator: UnsafeMutablePointer<ProtobufCAllocator>

  /// The most bytes handed out between two resets; past it protobuf-c is refused memory and gives up the message.
  package var bytesMax: Int {
    didSet { state.pointee.bytesLeft = bytesMax }
  }

  /// Whether protobuf-c was refused memory since the last reset.
  var hasRefused: Bool { state.pointee.hasRefused }

  /// Makes an arena with one small chunk.
  package init(bytesMax: Int = .max) {
    self.bytesMax = bytesMax
    firstChunk = UnsafeMutableRawPointer.allocate(byteCount: Self.firstChunkBytes, alignment: Self.alignment)
    firstChunk.bindMemory(to: ChunkHeader.self, capacity: 1).initialize(to: ChunkHeader(previous: nil))
    state = .allocate(capacity: 1)
    state.initialize(
      to: State(
        cursor: firstChunk + Self.headerBytes, end: firstChunk + Self.firstChunkBytes, chunk: firstChunk,
        chunkBytes: Self.firstChunkBytes, bytesLeft: bytesMax))
    allocator = .allocate(capacity: 1)
    allocator.initialize(
      to: ProtobufCAllocator(
        alloc: { state, size in
          guard let state else { return nil }
          let arena = state.assumingMemoryBound(to: State.self)
          guard let memory = Arena.allocate(size, arena) else {
            arena.pointee.hasRefused = true
            return nil
          }
          return memory
        },
        free: { _, _ in },
        allocator_data: UnsafeMutableRawPointer(state)))
  }

  deinit {
    freeLaterChunks()
    firstChunk.deallocate()
    state.deallocate()
    allocator.deallocate()
  }

  /// Frees everything allocated so far; only the first chunk is kept, so that an idle thread holds little.
  package func reset() {
    freeLaterChunks()
    state.pointee.cursor = firstChunk + Self.headerBytes
    state.pointee.end = firstChunk + Self.firstChunkBytes
    state.pointee.chunk = firstChunk
    state.pointee.chunkBytes = Self.firstChunkBytes
    state.pointee.bytesLeft = bytesMax
    state.pointee.hasRefused = false
  }

  /// Hands out `byteCount` uninitialized bytes aligned to 16, beyond `bytesMax` if need be: what the program itself
  /// builds is bounded by the values it builds from.
  package func allocate(byteCount: Int) -> UnsafeMutableRawPointer {
    if let memory = Self.allocate(byteCount, state) { return memory }
    state.pointee.bytesLeft = .max
    guard let memory = Self.allocate(byteCount, state) else { preconditionFailure("size overflow") }
    return memory
  }

  private static func allocate(_ size: Int, _ state: UnsafeMutablePointer<State>) -> UnsafeMutableRawPointer? {
    guard size >= 0, size <= state.pointee.bytesLeft, size <= Int.max - 4096 else { return nil }
    let rounded = (max(size, 1) + (alignment - 1)) & ~(alignment - 1)
    if rounded > state.pointee.end - state.pointee.cursor { grow(rounded, state) }
    let memory = state.pointee.cursor
    state.pointee.cursor = memory + rounded
    state.pointee.bytesLeft -= size
    return memory
  }

  private static func grow(_ size: Int, _ state: UnsafeMutablePointer<State>) {
    let doubled = min(state.pointee.chunkBytes * 2, chunkBytesMax)
    let bytes = max(doubled, size + headerBytes)
    let chunk = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: alignment)
    chunk.bindMemory(to: ChunkHeader.self, capacity: 1).initialize(to: ChunkHeader(previous: state.pointee.chunk))
    state.pointee.chunk = chunk
    state.pointee.chunkBytes = doubled
    state.pointee.cursor = chunk + headerBytes
    state.pointee.end = chunk + bytes
  }

  private func freeLaterChunks() {
    var chunk = state.pointee.chunk
    while chunk != firstChunk, let previous = chunk.assumingMemoryBound(to: ChunkHeader.self).pointee.previous {
      chunk.deallocate()
      chunk = previous
    }
  }
}

extension Arena {
  /// Where each thread keeps the arena that its last message used.
  private static let slot: pthread_key_t = {
    var key = pthread_key_t()
    let code = pthread_key_create(&key) { arena in
      guard let arena else { return }
      Unmanaged<Arena>.fromOpaque(arena).release()
    }
    precondition(code == 0, "no thread-specific keys left")
    return key
  }()

  /// Takes this thread's spare arena, or makes one.
  static func borrow(bytesMax: Int) -> Arena {
    guard let spare = pthread_getspecific(slot) else { return Arena(bytesMax: bytesMax) }
    pthread_setspecific(slot, nil)
    let arena = Unmanaged<Arena>.fromOpaque(spare).takeRetainedValue()
    arena.bytesMax = bytesMax
    return arena
  }

  /// Empties the arena and keeps it as this thread's spare.
  static func giveBack(_ arena: Arena) {
    arena.reset()
    guard pthread_getspecific(slot) == nil else { return }
    pthread_setspecific(slot, Unmanaged.passRetained(arena).toOpaque())
  }
}
