import Glibc

/// The right of this process to a port of this machine, against every other `handoff up`.
///
/// It outlasts the server on the port: while a daemon that died is started again, no other cluster takes its place.
/// The claim is a name among the abstract Unix sockets, which the kernel keeps for each network as it keeps the ports,
/// gives to one process at a time whoever runs it, and frees with the process, however that ends.
final class PortClaim: Sendable {
  private let descriptor: Int32

  /// Claims `port`; nil when another cluster has it.
  init?(_ port: UInt16) {
    descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return nil }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    // The zero in front makes the name an abstract one.
    let name = [0] + Array("handoff-port-\(port)".utf8)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
    let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
    let isMine = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) == 0 }
    }
    guard isMine else {
      close(descriptor)
      return nil
    }
  }

  deinit { close(descriptor) }
}
