import EventLoop
import HandoffAPI
package import Postgres
import Protobuf
package import RPC
import RPCProtos
import ServiceKit

/// The daemons behind the gateway.
package struct Backends: Sendable {
  private let tickets: any RPCTransport
  private let liveTickets: any RPCTransport
  private let assignment: any RPCTransport
  private let mail: any RPCTransport
  private let masking: any RPCTransport

  /// Names the channel to each daemon.
  ///
  /// - Parameter liveTickets: a channel of its own for live streams, so that slow clients hold up no other call; nil:
  ///   they share `tickets`.
  package init(
    tickets: any RPCTransport, liveTickets: (any RPCTransport)? = nil, assignment: any RPCTransport,
    mail: any RPCTransport, masking: any RPCTransport
  ) {
    self.tickets = tickets
    self.liveTickets = liveTickets ?? tickets
    self.assignment = assignment
    self.mail = mail
    self.masking = masking
  }

  /// The channel to a daemon; nil for the gateway itself.
  func channel(to backend: Backend) -> (any RPCTransport)? {
    switch backend {
    case .tickets: tickets
    case .assignment: assignment
    case .mail: mail
    case .masking: masking
    case .gateway: nil
    }
  }

  /// The channel to a daemon for live streams; nil for the gateway itself.
  func liveChannel(to backend: Backend) -> (any RPCTransport)? {
    backend == .tickets ? liveTickets : channel(to: backend)
  }

  var assignmentClient: AssignmentServiceClient { AssignmentServiceClient(assignment) }
}

/// Serves the public API: finds out which agent calls, and hands the message on to the daemon that owns the method.
///
/// Messages pass as bytes; the daemon that owns them checks them. What an agent may do is decided there, too.
package final class GatewayService: Sendable {
  /// How long a call may take when its caller did not say.
  package static let timeLimit: Duration = .seconds(30)

  let backends: Backends
  let sessions: Sessions
  /// The live streams that are open here.
  package let streams: OpenStreams
  private let throttle: SignInThrottle

  /// Creates the service.
  package init(backends: Backends, sessions: Sessions, pool: PostgresPool) {
    self.backends = backends
    self.sessions = sessions
    throttle = SignInThrottle(pool: pool)
    streams = OpenStreams(store: SessionStore(pool: pool))
  }

  /// The gRPC form of the API: one handler for each row of the route table.
  package var rpcServices: [RPCService] {
    let own = Route.all.filter { $0.backend == .gateway }
    let others = Route.all.filter { $0.backend != .gateway }
    return [
      RPCService(name: "handoff.gateway.v1.SessionService", methods: own.map(handler)),
      RPCService(name: "handoff.gateway.v1.HandoffService", methods: others.map(handler)),
    ]
  }

  private func handler(_ route: Route) -> RPCMethodHandler {
    switch route.shape {
    case .unary:
      .raw(route.method) { [self] request, call in
        try await respond(to: route, request, authorization: call.metadata["authorization"], call)
      }
    case .upload:
      .rawClientStreaming(route.method) { [self] requests, call in try await upload(route, requests, call) }
    case .download:
      .rawServerStreaming(route.method) { [self] request, responses, call in
        try await download(route, request, authorization: call.metadata["authorization"], call) { message in
          try await responses.send(message)
        }
      }
    case .live:
      .rawServerStreaming(route.method) { [self] request, responses, call in
        try await watch(
          route, request, authorization: call.metadata["authorization"], deadline: call.deadline, call
        ) { message in
          try await responses.send(message)
        }
      }
    }
  }

  /// Answers one call of the API, message in and message out.
  ///
  /// - Throws: ``ServiceError`` or ``RPCError`` for the caller.
  func respond(
    to route: Route, _ request: [UInt8], authorization: String?, _ call: CallContext
  ) async throws -> [UInt8] {
    let deadline = min(call.deadline, .after(Self.timeLimit))
    guard route.needsSession else { return try await signIn(request, call, deadline).serialized() }
    let agent = try await sessions.agent(authorization: authorization, deadline: deadline)
    var options = call.onward()
    options.deadline = deadline.shortened(by: CallContext.timeKeptPerHop)
    options.speak(for: agent)
    guard let channel = backends.channel(to: route.backend) else {
      switch route.method {
      case "SignOut":
        try await sessions.close(authorization: authorization, deadline: deadline)
        return []
      default:
        return try await me(agent, options).serialized()
      }
    }
    do {
      return try await channel.unary(route.daemonPath, request, options).message
    } catch let error as RPCError {
      throw Self.outward(error)
    }
  }

  private func signIn(_ bytes: [UInt8], _ call: CallContext, _ deadline: Deadline) async throws -> Session {
    let request: SignInRequest
    do {
      request = try SignInRequest(serialized: bytes)
    } catch {
      throw ServiceError(.requestInvalid, "the message cannot be read: \(error)")
    }
    var check = RequestCheck()
    check.require((3...254).contains(request.email.utf8.count), "email", "must be an e-mail address")
    check.require((1...1024).contains(request.password.utf8.count), "password", "must have 1 to 1,024 bytes")
    try check.done()
    let peer = EdgeProof.clientAddress(
      peer: call.peer, process: call.certificate?.process, forwardedFor: call.metadata["x-forwarded-for"])
    try await throttle.admit(email: request.email, from: peer, deadline: deadline)
    var options = call.onward()
    options.deadline = deadline.shortened(by: CallContext.timeKeptPerHop)
    let credential = VerifyCredentialRequest(email: request.email, password: request.password)
    let agent: Agent
    do {
      agent = try await backends.assignmentClient.verifyCredential(credential, options)
    } catch let error as RPCError {
      if ServiceError(error).reason == .signInFailed {
        try await throttle.failed(email: request.email, from: peer, deadline: deadline)
      }
      throw Self.outward(error)
    }
    guard let id = agent.name.split(separator: "/").last.flatMap({ Int64($0) }) else { throw ServiceError(.internal) }
    try await throttle.succeeded(email: request.email, deadline: deadline)
    let session = try await sessions.open(for: AgentID(id), deadline: deadline)
    let expireTime = Timestamp(seconds: session.expireTime.seconds, nanos: session.expireTime.nanoseconds)
    return Session(token: session.token, expireTime: expireTime, agent: agent)
  }

  private func me(_ agent: AgentID, _ options: CallOptions) async throws -> Agent {
    do {
      return try await backends.assignmentClient.getAgent(GetAgentRequest(name: "agents/\(agent)"), options)
    } catch let error as RPCError {
      throw Self.outward(error)
    }
  }

  /// A daemon that does not know the gateway is a fault of the installation, not of the caller's credentials.
  static func outward(_ error: RPCError) -> any Error {
    let meaning = ServiceError(error)
    switch meaning.reason {
    case .credentialMissing, .callerNotAllowed: return ServiceError.internal(error)
    default: return meaning
    }
  }
}
