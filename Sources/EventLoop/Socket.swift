internal import CEventLoop
import Glibc

/// A system call on a socket that failed.
package struct SocketError: Error, Equatable, CustomStringConvertible {
  /// The call, such as `connect`.
  package let operation: String
  /// Its `errno`, or the resolver's code for `getaddrinfo`.
  package let code: Int32

  /// Names a failed call and its code.
  package init(operation: String, code: Int32) {
    self.operation = operation
    self.code = code
  }

  /// For logs, such as `connect: Connection refused`.
  package var description: String {
    let text = operation == "getaddrinfo" ? gai_strerror(code) : UnsafePointer(strerror(code))
    return "\(operation): \(text.map { String(cString: $0) } ?? "error \(code)")"
  }
}

/// Non-blocking, close-on-exec stream sockets. The caller owns the descriptors.
package enum Socket {
  /// What a read or write on a non-blocking socket did.
  package enum Transfer: Equatable {
    case bytes(Int)
    case wouldBlock
    case failed(Int32)
  }

  /// Listens on an address; a unix socket file that nobody listens on any more is replaced.
  ///
  /// - Throws: ``SocketError``; `EADDRINUSE` also when another process listens on the unix socket.
  package static func listen(_ address: SocketAddress, backlog: Int32 = 1024) throws(SocketError) -> Int32 {
    if case .unix(let path) = address { try removeStaleSocket(path, address) }
    let fd = try open(address.family)
    do throws(SocketError) {
      if address.family != AF_UNIX { try setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1) }
      if address.family == AF_INET6 { try setOption(fd, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
      guard address.withRaw({ bind(fd, $0, $1) }) == 0 else { throw SocketError(operation: "bind", code: errno) }
      guard Glibc.listen(fd, backlog) == 0 else { throw SocketError(operation: "listen", code: errno) }
      return fd
    } catch {
      close(fd)
      throw error
    }
  }

  /// Begins to connect; when the descriptor is writable, ``connectError(_:)`` tells the outcome.
  ///
  /// - Throws: ``SocketError`` when the connect failed at once.
  package static func connect(_ address: SocketAddress) throws(SocketError) -> Int32 {
    let fd = try open(address.family)
    if address.family != AF_UNIX { setNoDelay(fd) }
    if address.withRaw({ Glibc.connect(fd, $0, $1) }) == 0 || errno == EINPROGRESS || errno == EINTR { return fd }
    let code = errno
    close(fd)
    throw SocketError(operation: "connect", code: code)
  }

  /// The outcome of a connect whose descriptor became writable; nil when connected.
  package static func connectError(_ fd: Int32) -> SocketError? {
    var code: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    guard getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &length) == 0 else {
      return SocketError(operation: "getsockopt", code: errno)
    }
    return code == 0 ? nil : SocketError(operation: "connect", code: code)
  }

  /// The address a socket is bound to, with the port the system chose.
  package static func boundAddress(_ fd: Int32) throws(SocketError) -> SocketAddress {
    try address("getsockname") { getsockname(fd, $0, $1) }
  }

  /// The address a socket is connected to.
  package static func peerAddress(_ fd: Int32) throws(SocketError) -> SocketAddress {
    try address("getpeername") { getpeername(fd, $0, $1) }
  }

  private static func address(
    _ operation: String, _ get: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
  ) throws(SocketError) -> SocketAddress {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let address = withUnsafeMutablePointer(to: &storage) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
        get(raw, &length) == 0 ? SocketAddress(raw) : nil
      }
    }
    guard let address else { throw SocketError(operation: operation, code: errno) }
    return address
  }

  /// Reads what is there, up to the room; zero bytes mean that the peer has ended.
  package static func receive(_ fd: Int32, _ room: UnsafeMutableRawBufferPointer) -> Transfer {
    while true {
      let count = recv(fd, room.baseAddress, room.count, 0)
      if count >= 0 { return .bytes(count) }
      if errno == EAGAIN || errno == EWOULDBLOCK { return .wouldBlock }
      if errno != EINTR { return .failed(errno) }
    }
  }

  /// Writes as much as the system takes; never raises SIGPIPE.
  package static func send(_ fd: Int32, _ bytes: UnsafeRawBufferPointer) -> Transfer {
    while true {
      let count = Glibc.send(fd, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
      if count >= 0 { return .bytes(count) }
      if errno == EAGAIN || errno == EWOULDBLOCK { return .wouldBlock }
      if errno != EINTR { return .failed(errno) }
    }
  }

  /// Closes a descriptor; its ``Watch`` is to be cancelled first.
  package static func close(_ fd: Int32) { _ = Glibc.close(fd) }

  /// Sends small writes at once, for a TCP socket; ignored by others.
  package static func setNoDelay(_ fd: Int32) {
    var on: Int32 = 1
    _ = setsockopt(fd, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
  }

  private static func open(_ family: Int32) throws(SocketError) -> Int32 {
    let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    let fd = socket(family, kind, 0)
    guard fd >= 0 else { throw SocketError(operation: "socket", code: errno) }
    return fd
  }

  private static func setOption(_ fd: Int32, _ level: Int32, _ name: Int32, _ value: Int32) throws(SocketError) {
    var value = value
    guard setsockopt(fd, level, name, &value, socklen_t(MemoryLayout<Int32>.size)) == 0 else {
      throw SocketError(operation: "setsockopt", code: errno)
    }
  }

  private static func removeStaleSocket(_ path: String, _ address: SocketAddress) throws(SocketError) {
    var information = stat()
    guard lstat(path, &information) == 0, information.st_mode & S_IFMT == S_IFSOCK else { return }
    let probe = try open(AF_UNIX)
    defer { close(probe) }
    guard address.withRaw({ Glibc.connect(probe, $0, $1) }) != 0, errno == ECONNREFUSED else {
      throw SocketError(operation: "bind", code: EADDRINUSE)
    }
    unlink(path)
  }
}
