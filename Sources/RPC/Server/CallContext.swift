package import Crypto
package import EventLoop
import Synchronization

/// What a call is addressed to. One for all calls of a method, so that a call holds one reference instead of strings.
package final class CallTarget: Sendable {
  /// The service's simple name, such as `TicketService`; empty for a plain HTTP request.
  package let service: String
  /// The method's simple name, such as `GetTicket`; for a plain HTTP request its method, such as `GET`.
  package let method: String
  /// The request's path, `/package.Service/Method`.
  package let path: String
  /// The number of the handler, unique in the process; -1 for a plain HTTP request.
  package let handlerID: Int

  init(service: String, method: String, path: String, handlerID: Int) {
    self.service = service
    self.method = method
    self.path = path
    self.handlerID = handlerID
  }
}

/// What a handler knows about the call it serves; one per call.
package final class CallContext: Sendable {
  /// What is called.
  package let target: CallTarget
  /// What the caller sent beside its message.
  package let metadata: Metadata
  /// When the caller stops waiting; the handler's task is cancelled then.
  package let deadline: Deadline
  /// The other end of the connection, such as `127.0.0.1:50312`, `unix` or `in-process`.
  package let peer: String
  /// What the caller has proved to be by its certificate; nil without mutual TLS.
  package let certificate: PeerCertificate?

  /// Whether the caller takes compressed answers.
  package let acceptsCompression: Bool
  private let requestCompression = Atomic<Bool>(false)

  private struct Changes {
    var compressesResponses = false
    var caller: String?
    var initialMetadata = Metadata()
    var trailers = Metadata()
    var requestID: String?
  }
  // Nil until there is something in it: most calls have nothing.
  private let changes = Mutex<Changes?>(nil)

  init(
    target: CallTarget, metadata: Metadata, deadline: Deadline, peer: String, certificate: PeerCertificate? = nil,
    acceptsCompression: Bool = false
  ) {
    self.target = target
    self.acceptsCompression = acceptsCompression
    self.metadata = metadata
    self.deadline = deadline
    self.peer = peer
    self.certificate = certificate
  }

  /// Describes a call as its transport has read it; `service` and `method` are simple names, `path` is the whole one.
  package convenience init(
    service: String, method: String, path: String, handlerID: Int = -1, metadata: Metadata, deadline: Deadline,
    peer: String, certificate: PeerCertificate? = nil
  ) {
    let target = CallTarget(service: service, method: method, path: path, handlerID: handlerID)
    self.init(target: target, metadata: metadata, deadline: deadline, peer: peer, certificate: certificate)
  }

  /// The service's simple name, such as `TicketService`; empty for a plain HTTP request.
  package var service: String { target.service }
  /// The method's simple name, such as `GetTicket`; for a plain HTTP request its method, such as `GET`.
  package var method: String { target.method }
  /// The request's path, `/package.Service/Method`.
  package var path: String { target.path }

  /// The identity of the calling process, set by the interceptor that checked it.
  package var caller: String? {
    get { changes.withLock { $0?.caller } }
    set { change { $0.caller = newValue } }
  }

  /// Whether the request of a call that has one was compressed; of many, their stream tells.
  package internal(set) var requestWasCompressed: Bool {
    get { requestCompression.load(ordering: .relaxed) }
    set { requestCompression.store(newValue, ordering: .relaxed) }
  }

  /// Whether answers are compressed, if the caller takes that; to be set before the first one. It costs more than it
  /// brings inside a data center, so it is off.
  package var compressesResponses: Bool {
    get { changes.withLock { $0?.compressesResponses ?? false } }
    set { change { $0.compressesResponses = newValue } }
  }

  /// Sets the metadata to send before the first message; without effect once that is sent.
  package func setInitialMetadata(_ metadata: Metadata) { change { $0.initialMetadata = metadata } }

  /// Adds a field to the metadata sent with the status. A name ending in `-bin` is refused here.
  package func addTrailer(_ name: String, _ value: String) { change { $0.trailers.add(name, value) } }

  /// Adds a field of bytes, with a name ending in `-bin`, to the metadata sent with the status.
  package func addTrailer(_ name: String, binary value: [UInt8]) {
    change { $0.trailers.add(name, binary: value) }
  }

  /// The id under which every process of the system logs this request: the caller's `x-request-id` when that is 1 to 64
  /// characters of `[0-9A-Za-z._-]`, else one made here.
  package var requestID: String {
    change { changes in
      if let known = changes.requestID { return known }
      let made = metadata["x-request-id"].flatMap(RequestID.checked) ?? RequestID.make()
      changes.requestID = made
      return made
    }
  }

  /// The W3C trace context of the caller, when it sent a well-formed one.
  package var traceparent: String? {
    metadata["traceparent"].flatMap { $0.utf8.count == 55 ? $0 : nil }
  }

  /// What a handler keeps of its deadline to report that a further call took too long.
  package static let timeKeptPerHop: Duration = .milliseconds(20)

  /// Options for a call made on behalf of this one: its deadline less ``timeKeptPerHop``, its request id and trace
  /// context.
  package func onward() -> CallOptions {
    var metadata = Metadata()
    metadata.add("x-request-id", requestID)
    if let traceparent { metadata.add("traceparent", traceparent) }
    return CallOptions(deadline: deadline.shortened(by: Self.timeKeptPerHop), metadata: metadata)
  }

  /// What a handler has set to be sent first; nil when there is nothing.
  var initialMetadata: Metadata? { changes.withLock { $0?.initialMetadata } }
  /// What a handler has set to be sent with the status; nil when there is nothing.
  var trailers: Metadata? { changes.withLock { $0?.trailers } }

  @discardableResult
  private func change<Result>(_ act: (inout Changes) -> Result) -> Result {
    changes.withLock { changes in
      var changed = changes ?? Changes()
      // Not kept twice while it changes, which would copy it.
      changes = nil
      defer { changes = changed }
      return act(&changed)
    }
  }
}

/// Ids of requests, as they appear in logs.
enum RequestID {
  static func checked(_ text: String) -> String? {
    guard (1...64).contains(text.utf8.count) else { return nil }
    let isPlain = text.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
        UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
        true
      default: false
      }
    }
    return isPlain ? text : nil
  }

  /// 16 hexadecimal digits, random; unique, not secret.
  static func make() -> String {
    let number = UInt64.random(in: 0 ... .max)
    return String(unsafeUninitializedCapacity: 16) { digits in
      for index in 0..<16 {
        let value = UInt8(truncatingIfNeeded: number >> (60 - 4 * UInt64(index))) & 15
        digits[index] = value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") - 10 + value
      }
      return 16
    }
  }
}
