internal import CEventLoop
import Glibc

/// Accepts connections on a loop; loop-confined.
///
/// When the process is out of descriptors or memory it stops accepting for ``backOff`` instead of spinning: the
/// connections wait in the kernel's queue.
package final class Listener {
  /// How long accepting rests when the system has no descriptor left.
  package static let backOff: Duration = .milliseconds(100)
  private static let acceptsPerTurnMax = 64

  /// The bound address, with the port the system chose.
  package let address: SocketAddress
  private let fd: Int32
  private let loop: EventLoop
  private let accepted: (_ fd: Int32, _ peer: SocketAddress?) -> Void
  private var watch: Watch?
  private var resting: LoopTimer?
  private var isPaused = false

  /// Takes over a listening descriptor and hands every accepted descriptor to `accepted`, which owns it.
  ///
  /// - Throws: ``SocketError`` when `fd` is no bound socket; it then still belongs to the caller.
  package init(
    _ fd: Int32, on loop: EventLoop, accepted: @escaping (_ fd: Int32, _ peer: SocketAddress?) -> Void
  ) throws(SocketError) {
    loop.checkIsolated()
    address = try Socket.boundAddress(fd)
    self.fd = fd
    self.loop = loop
    self.accepted = accepted
    watch = loop.watch(fd, .read) { [weak self] _ in self?.acceptWaiting() }
  }

  /// Stops or resumes accepting, for a limit on connections.
  package func pause(_ paused: Bool) {
    isPaused = paused
    if resting == nil { watch?.update(paused ? [] : .read) }
  }

  /// Ends listening and removes the file of a unix socket; harmless when repeated.
  package func close() {
    guard let watch else { return }
    resting?.cancel()
    watch.cancel()
    self.watch = nil
    Socket.close(fd)
    if case .unix(let path) = address { unlink(path) }
  }

  private func acceptWaiting() {
    for _ in 0..<Self.acceptsPerTurnMax where watch != nil && !isPaused {
      var storage = sockaddr_storage()
      var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
      let (connection, peer) = withUnsafeMutablePointer(to: &storage) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
          let connection = handoff_accept(fd, raw, &length)
          return (connection, connection >= 0 && length > 0 ? SocketAddress(raw) : nil)
        }
      }
      if connection >= 0 {
        Socket.setNoDelay(connection)
        accepted(connection, peer)
        continue
      }
      switch errno {
      case EMFILE, ENFILE, ENOBUFS, ENOMEM: return rest()
      case EAGAIN, EWOULDBLOCK: return
      default: continue
      }
    }
  }

  private func rest() {
    watch?.update([])
    resting = loop.schedule(after: Self.backOff) { [weak self] in
      guard let self else { return }
      resting = nil
      watch?.update(isPaused ? [] : .read)
    }
  }
}
