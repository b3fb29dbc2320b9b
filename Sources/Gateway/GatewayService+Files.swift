import EventLoop
import HandoffAPI
import Protobuf
import RPC
import ServiceKit
import Synchronization

extension GatewayService {
  /// How long a file may take that comes or goes.
  static let fileTimeLimit: Duration = .seconds(300)

  /// Passes the messages of an upload on as they come.
  func upload(_ route: Route, _ requests: RequestStream<[UInt8]>, _ call: CallContext) async throws -> [UInt8] {
    let admission = try await admit(route, authorization: call.metadata["authorization"], call)
    return try await upload(route, admission, call) { writer in
      for try await message in requests { try await writer.send(message) }
    }
  }

  /// What comes as the body of an HTTP request.
  enum UploadKind: Sendable {
    case file(UploadHeader)
    case mail(IngestMessageRequest.Header)

    /// The first message.
    func header() throws -> [UInt8] {
      switch self {
      case .file(let header): try UploadAttachmentRequest(part: .header(header)).serialized()
      case .mail(let header): try IngestMessageRequest(part: .header(header)).serialized()
      }
    }

    /// A later message.
    func chunk(_ bytes: [UInt8]) throws -> [UInt8] {
      switch self {
      case .file: try UploadAttachmentRequest(part: .chunk(bytes)).serialized()
      case .mail: try IngestMessageRequest(part: .chunk(bytes)).serialized()
      }
    }
  }

  /// Passes a file or a mail on as it comes.
  ///
  /// - Returns: the serialized resource that was made.
  func upload(
    _ route: Route, _ kind: UploadKind, _ file: IncomingFile, _ admission: Admission, _ call: CallContext
  ) async throws -> [UInt8] {
    try await upload(route, admission, call) { writer in
      try await writer.send(try kind.header())
      try await file.read { piece in try await writer.send(try kind.chunk(piece)) }
    }
  }

  /// Passes the messages of a download on as they come.
  func download(
    _ route: Route, _ request: [UInt8], _ admission: Admission, _ call: CallContext,
    _ take: (_ message: [UInt8]) async throws -> Void
  ) async throws {
    let (target, path, options) = try streaming(route, admission, call)
    do {
      for try await message in try await target.serverStreaming(path, request, options) { try await take(message) }
    } catch let error as RPCError {
      throw Self.outward(error, route.backend)
    }
  }

  private func upload(
    _ route: Route, _ admission: Admission, _ call: CallContext,
    _ write: @escaping @Sendable (RawRequestWriter) async throws -> Void
  ) async throws -> [UInt8] {
    let (target, path, options) = try streaming(route, admission, call)
    let agent = try admission.signedIn().agent
    try uploads.begin(agent)
    defer { uploads.end(agent) }
    // What is wrong with what the client sends; the daemon learns only that the upload is broken off.
    let fault = Mutex<ServiceError?>(nil)
    do {
      return try await target.clientStreaming(path, options) { writer in
        do {
          try await write(writer)
        } catch let error as ServiceError {
          fault.withLock { $0 = error }
          throw error
        }
      }.message
    } catch let error as RPCError {
      if let fault = fault.withLock({ $0 }) { throw fault }
      throw Self.outward(error, route.backend)
    }
  }

  /// Where the messages of a route go, in whose name and until when.
  private func streaming(
    _ route: Route, _ admission: Admission, _ call: CallContext
  ) throws(ServiceError) -> (target: any RPCTransport, path: String, options: CallOptions) {
    guard let channel = backends.channel(to: route.backend) else { throw ServiceError(.internal) }
    var options = call.onward()
    options.deadline = min(call.deadline, .after(Self.fileTimeLimit)).shortened(by: CallContext.timeKeptPerHop)
    options.speak(for: try admission.signedIn().agent)
    return (channel, route.daemonPath, options)
  }
}
