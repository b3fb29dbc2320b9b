import CMicrohttpd
package import EventLoop
import Glibc

/// A condition of readiness: nil when it holds, else what is missing, in a few words.
package struct ReadinessProbe: Sendable {
  let name: String
  let problem: @Sendable () -> String?

  /// `problem` is called by the admin port's thread at each request; it must be quick and must not block.
  package init(_ name: String, problem: @escaping @Sendable () -> String?) {
    self.name = name
    self.problem = problem
  }
}

/// The HTTP/1.1 port for operators and orchestrators: `/metrics`, `/livez` and `/readyz`.
///
/// One thread of libmicrohttpd for each address serves it, so it answers while every event loop is busy. At most 32
/// connections, 16 KiB of request each, 10 seconds of idleness.
// @unchecked: the daemons' handles are only touched by `init` and `stop`; libmicrohttpd's threads read constants.
package final class AdminServer: @unchecked Sendable {
  /// The addresses in use, with the ports the system chose.
  package let addresses: [SocketAddress]
  private var daemons: [OpaquePointer] = []
  private let metrics: Metrics
  private let probes: @Sendable () -> [ReadinessProbe]

  /// Starts to serve; `probes` is asked at each request for readiness.
  ///
  /// - Throws: `SocketError` when an address cannot be listened on.
  package init(
    listen: [SocketAddress], metrics: Metrics, probes: @escaping @Sendable () -> [ReadinessProbe]
  ) throws(SocketError) {
    self.metrics = metrics
    self.probes = probes
    var sockets: [Int32] = []
    do throws(SocketError) {
      for address in listen { sockets.append(try Socket.listen(address, backlog: 16)) }
      var addresses: [SocketAddress] = []
      for socket in sockets { addresses.append(try Socket.boundAddress(socket)) }
      self.addresses = addresses
    } catch {
      for socket in sockets { Socket.close(socket) }
      throw error
    }
    for (index, socket) in sockets.enumerated() {
      guard let daemon = start(on: socket) else {
        for socket in sockets[index...] { Socket.close(socket) }
        stop()
        throw SocketError(operation: "MHD_start_daemon", code: errno)
      }
      daemons.append(daemon)
    }
  }

  deinit { stop() }

  /// Closes the port; harmless when repeated, but not to be called from two threads.
  package func stop() {
    for daemon in daemons { MHD_stop_daemon(daemon) }
    daemons = []
    for case .unix(let path) in addresses { unlink(path) }
  }

  private func start(on socket: Int32) -> OpaquePointer? {
    let flags = MHD_USE_EPOLL_INTERNAL_THREAD.rawValue
    var options = [
      MHD_OptionItem(option: .LISTEN_SOCKET, value: Int(socket), ptr_value: nil),
      MHD_OptionItem(option: .CONNECTION_LIMIT, value: 32, ptr_value: nil),
      MHD_OptionItem(option: .CONNECTION_TIMEOUT, value: 10, ptr_value: nil),
      MHD_OptionItem(option: .CONNECTION_MEMORY_LIMIT, value: 16_384, ptr_value: nil),
      MHD_OptionItem(option: .END, value: 0, ptr_value: nil),
    ]
    let handler: MHD_AccessHandlerCallback = { context, connection, url, method, _, _, _, _ in
      guard let context, let connection, let url, let method else { return .NO }
      let server = Unmanaged<AdminServer>.fromOpaque(context).takeUnretainedValue()
      return server.answer(connection, method: String(cString: method), path: String(cString: url))
    }
    return options.withUnsafeMutableBufferPointer { options in
      guard let first = options.baseAddress else { return nil }
      // MHD_start_daemon is variadic, which Swift cannot call; its sibling takes a list.
      return withVaList([MHD_OPTION.ARRAY.rawValue, first, MHD_OPTION.END.rawValue]) { list in
        MHD_start_daemon_va(flags, 0, nil, nil, handler, Unmanaged.passUnretained(self).toOpaque(), list)
      }
    }
  }

  private func answer(_ connection: OpaquePointer, method: String, path: String) -> MHD_Result {
    let answer =
      method == "GET" || method == "HEAD"
      ? respond(to: path) : AdminAnswer(status: 405, text: "only GET and HEAD\n", allow: "GET, HEAD")
    var text = answer.text
    let response = text.withUTF8 { bytes in
      MHD_create_response_from_buffer(
        bytes.count, UnsafeMutableRawPointer(mutating: bytes.baseAddress), .RESPMEM_MUST_COPY)
    }
    guard let response else { return .NO }
    defer { MHD_destroy_response(response) }
    MHD_add_response_header(response, "Content-Type", answer.contentType)
    MHD_add_response_header(response, "Cache-Control", "no-store")
    if let allow = answer.allow { MHD_add_response_header(response, "Allow", allow) }
    return MHD_queue_response(connection, UInt32(answer.status), response)
  }

  /// What `path` answers; apart from the HTTP around it so that it can be read at a glance.
  func respond(to path: String) -> AdminAnswer {
    switch path {
    case "/metrics":
      return AdminAnswer(
        status: 200, text: metrics.exposition(), contentType: "text/plain; version=0.0.4; charset=utf-8")
    case "/livez":
      return AdminAnswer(status: 200, text: "alive\n")
    case "/readyz":
      let problems = probes().compactMap { probe in probe.problem().map { "\(probe.name): \($0)\n" } }
      return problems.isEmpty
        ? AdminAnswer(status: 200, text: "ready\n") : AdminAnswer(status: 503, text: problems.joined())
    default:
      return AdminAnswer(status: 404, text: "see /metrics, /livez and /readyz\n")
    }
  }
}

struct AdminAnswer {
  let status: Int
  let text: String
  var contentType = "text/plain; charset=utf-8"
  var allow: String?
}
