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
  let uploads = OpenUploads()
  let access: AccessService
  let audit: AuditLog
  let throttle: SignInThrottle
  private let limits: GatewayLimits

  /// Creates the service.
  package init(backends: Backends, sessions: Sessions, pool: PostgresPool, audit: AuditLog, limits: GatewayLimits) {
    self.backends = backends
    self.sessions = sessions
    self.audit = audit
    self.limits = limits
    access = AccessService(pool: pool)
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
        let authorization = call.metadata["authorization"]
        let admission = try await admit(route, authorization: authorization, call)
        return try await respond(to: route, request, admission, authorization: authorization, call)
      }
    case .upload:
      .rawClientStreaming(route.method) { [self] requests, call in try await upload(route, requests, call) }
    case .download:
      .rawServerStreaming(route.method) { [self] request, responses, call in
        let admission = try await admit(route, authorization: call.metadata["authorization"], call)
        try await download(route, request, admission, call) { message in try await responses.send(message) }
      }
    case .live:
      .rawServerStreaming(route.method) { [self] request, responses, call in
        let authorization = call.metadata["authorization"]
        let admission = try await admit(route, authorization: authorization, call)
        try await watch(
          route, request, admission, authorization: authorization, deadline: call.deadline, call
        ) { message in
          try await responses.send(message)
        }
      }
    }
  }

  /// Who was let in, and what is left of the budget.
  struct Admission {
    /// Nil for methods that are called without a session.
    let caller: GatewayCaller?
    /// Of the caller, or else of the address; nil where there are no budgets.
    let budget: TokenBucket.Verdict?
    let deadline: Deadline

    /// - Throws: CREDENTIAL_MISSING.
    func signedIn() throws(ServiceError) -> GatewayCaller {
      guard let caller else { throw ServiceError(.credentialMissing) }
      return caller
    }
  }

  /// Lets a call in: by the budget of its address, its credential, the credential's scopes and its budget.
  ///
  /// - Throws: TOO_MANY_REQUESTS, CREDENTIAL_MISSING, SESSION_EXPIRED, PERMISSION_DENIED.
  func admit(_ route: Route, authorization: String?, _ call: CallContext) async throws -> Admission {
    let deadline = min(call.deadline, .after(Self.timeLimit))
    let atAddress = try admitAddress(of: call)
    guard route.needsSession else { return Admission(caller: nil, budget: atAddress, deadline: deadline) }
    let caller = try await sessions.caller(authorization: authorization, deadline: deadline)
    let budget = try limits.credential.take(caller.credentialName)
    do {
      try caller.check(route)
    } catch {
      if route.isOnRecord { await recordAct(route, [], .failure(error), caller, call) }
      throw error
    }
    return Admission(caller: caller, budget: budget, deadline: deadline)
  }

  /// Takes a call out of the budget of its address.
  ///
  /// - Throws: TOO_MANY_REQUESTS.
  func admitAddress(of call: CallContext) throws(ServiceError) -> TokenBucket.Verdict? {
    try limits.address.take(Self.address(of: call))
  }

  /// Answers one call of the API, message in and message out.
  ///
  /// - Throws: ``ServiceError`` or ``RPCError`` for the caller.
  func respond(
    to route: Route, _ request: [UInt8], _ admission: Admission, authorization: String?, _ call: CallContext
  ) async throws -> [UInt8] {
    var options = call.onward()
    options.deadline = admission.deadline.shortened(by: CallContext.timeKeptPerHop)
    guard let caller = admission.caller else {
      guard let channel = backends.channel(to: route.backend) else {
        return try await signIn(request, call, admission.deadline).serialized()
      }
      // Nobody is spoken for: the daemon finds out by the request itself whether it is to be believed.
      return try await pass(request, to: route, over: channel, options)
    }
    options.speak(for: caller.agent)
    guard let channel = backends.channel(to: route.backend) else {
      return try await recorded(route, request, caller, call) {
        try await own(route, request, caller, authorization: authorization, options)
      }
    }
    if let limit = caller.limit(of: route), let method = Self.methods[route.method] {
      try limit.check(request, as: method.input, of: route)
      if limit.isForCustomer { options.speakForCustomer() }
      return try limit.shown(try await pass(request, to: route, over: channel, options), as: method.output)
    }
    return try await recorded(route, request, caller, call) {
      try await pass(request, to: route, over: channel, options)
    }
  }

  /// Carries out a call, and puts it on record if it is an act for that, also when it is refused.
  private func recorded(
    _ route: Route, _ request: [UInt8], _ caller: GatewayCaller, _ call: CallContext,
    _ act: () async throws -> [UInt8]
  ) async throws -> [UInt8] {
    guard route.isOnRecord else { return try await act() }
    let outcome: Result<[UInt8], any Error>
    do {
      outcome = .success(try await act())
    } catch {
      outcome = .failure(error)
    }
    await recordAct(route, request, outcome, caller, call)
    return try outcome.get()
  }

  private func pass(
    _ request: [UInt8], to route: Route, over channel: any RPCTransport, _ options: CallOptions
  ) async throws -> [UInt8] {
    do {
      return try await channel.unary(route.daemonPath, request, options).message
    } catch let error as RPCError {
      throw Self.outward(error, route.backend)
    }
  }

  /// The address that a call came from, as the edge tells it.
  static func address(of call: CallContext) -> String {
    EdgeProof.clientAddress(
      peer: call.peer, process: call.certificate?.process, forwardedFor: call.metadata["x-forwarded-for"])
  }

  /// A daemon that does not know the gateway is a fault of the installation, not of the caller's credentials; one that
  /// does not answer is named.
  static func outward(_ error: RPCError, _ backend: Backend) -> any Error {
    let meaning = ServiceError(error, from: backend.rawValue)
    switch meaning.reason {
    case .credentialMissing, .callerNotAllowed: return ServiceError.internal(error)
    default: return meaning
    }
  }
}

/// How much may be asked of a gateway.
package struct GatewayLimits: Sendable {
  let credential: Budgets
  let address: Budgets

  /// - Parameters:
  ///   - credentialPerSecond: calls a second with one session or key; 0: any number.
  ///   - addressPerSecond: calls a second from one address; 0: any number.
  package init(credentialPerSecond: Int, addressPerSecond: Int) {
    credential = Budgets(perSecond: credentialPerSecond)
    address = Budgets(perSecond: addressPerSecond)
  }
}
