import EventLoop
import HandoffAPI
import Protobuf
import RPC
import RPCProtos
import ServiceKit

extension Route {
  /// What the audit log calls an act of the gateway's own that was done; nil for all else.
  var ownAct: AuditEvent.Kind? {
    switch method {
    case "SignOut": .signedOut
    case "RevokeSession": .sessionRevoked
    case "CreateApiKey": .keyCreated
    case "RevokeApiKey": .keyRevoked
    default: nil
    }
  }

  /// Whether calls are put on record, those that are refused, too.
  var isOnRecord: Bool { isAdministrative || ownAct != nil }
}

/// The methods that the gateway serves itself.
extension GatewayService {
  /// Answers a call of a method of the gateway's own by somebody who has been let in.
  func own(
    _ route: Route, _ request: [UInt8], _ caller: GatewayCaller, authorization: String?, _ options: CallOptions
  ) async throws -> [UInt8] {
    let deadline = options.deadline
    switch route.method {
    case "GetMe":
      return try await me(caller.agent, options).serialized()
    case "SignOut":
      try await sessions.close(authorization: authorization, deadline: deadline)
      return []
    case "ListSessions":
      return try await access.listSessions(read(request), caller, deadline).serialized()
    case "RevokeSession":
      try await access.revokeSession(read(request), caller, deadline)
      return []
    case "CreateApiKey":
      return try await access.createKey(read(request), caller, deadline).serialized()
    case "ListApiKeys":
      return try await access.listKeys(read(request), caller, deadline).serialized()
    case "RevokeApiKey":
      try await access.revokeKey(read(request), caller, deadline)
      return []
    case "ListAuditEvents":
      return try await access.listAuditEvents(read(request), caller, deadline).serialized()
    default:
      throw ServiceError(.internal)
    }
  }

  /// Opens a session for whoever knows the password, unless too many have been tried.
  func signIn(_ bytes: [UInt8], _ call: CallContext, _ deadline: Deadline) async throws -> Session {
    let request: SignInRequest = try read(bytes)
    var check = RequestCheck()
    check.require((3...254).contains(request.email.utf8.count), "email", "must be an e-mail address")
    check.require((1...1024).contains(request.password.utf8.count), "password", "must have 1 to 1,024 bytes")
    try check.done()
    let address = Self.address(of: call)
    func refused(_ reason: Reason) async {
      await audit.record(
        AuditEntry(
          subject: .email(request.email), kind: .signInFailed, address: address, outcome: reason.rawValue,
          requestID: call.requestID))
    }
    do {
      try await throttle.admit(email: request.email, from: address, deadline: deadline)
    } catch let error as ServiceError where error.reason == .tooManyAttempts {
      await refused(error.reason)
      throw error
    }
    var options = call.onward()
    options.deadline = deadline.shortened(by: CallContext.timeKeptPerHop)
    let credential = VerifyCredentialRequest(email: request.email, password: request.password)
    let agent: Agent
    do {
      agent = try await backends.assignmentClient.verifyCredential(credential, options)
    } catch let error as RPCError {
      if ServiceError(error).reason == .signInFailed {
        try await throttle.failed(email: request.email, from: address, deadline: deadline)
        await refused(.signInFailed)
      }
      throw Self.outward(error, .assignment)
    }
    guard let id = agent.name.split(separator: "/").last.flatMap({ Int64($0) }) else { throw ServiceError(.internal) }
    do {
      try await throttle.succeeded(email: request.email, deadline: deadline)
      let session = try await sessions.open(
        for: AgentID(id), client: call.metadata["user-agent"] ?? "", address: address, deadline: deadline)
      let caller = GatewayCaller(agent: AgentID(id), credential: .session(session.opened.id))
      await audit.record(entry(.signedIn, caller, call))
      return Session(token: session.token, expireTime: Timestamp(session.opened.expireTime), agent: agent)
    } catch {
      // Somebody knows the password, though no session came of it.
      await refused(ServiceError(caught: error).reason)
      throw error
    }
  }

  /// Puts an act on record, with what came of it.
  func recordAct(
    _ route: Route, _ request: [UInt8], _ outcome: Result<[UInt8], any Error>, _ caller: GatewayCaller,
    _ call: CallContext
  ) async {
    var line: AuditEntry
    switch outcome {
    case .success(let response):
      line = entry(route.ownAct ?? .administration, caller, call)
      line.resource = Self.resource(route, request, response)
    case .failure(let error):
      // What a kind of its own tells has happened: what was refused is told by its method.
      line = entry(.administration, caller, call)
      line.resource = Self.resource(route, request, nil)
      line.outcome = ServiceError(caught: error).reason.rawValue
    }
    if line.kind == .administration { line.method = route.method }
    await audit.record(line)
  }

  /// What an act was done to: the resource that came back, else the one that the request names.
  private static func resource(_ route: Route, _ request: [UInt8], _ response: [UInt8]?) -> String {
    guard let method = methods[route.method] else { return "" }
    let arena = Arena()
    if let response, let made = try? DynamicMessage(serialized: response, as: method.output, in: arena),
      let name = text("name", of: made) ?? text("api_key.name", of: made)
    {
      return name
    }
    guard let asked = try? DynamicMessage(serialized: request, as: method.input, in: arena) else { return "" }
    let path = try? PathTemplate(route.path).variable?.field
    let name = path.flatMap { text($0, of: asked) } ?? text("api_key.agent", of: asked) ?? ""
    // Nobody has looked at a name that was refused: what is no name at all is not kept.
    return name.utf8.count <= resourceBytesMax && name.utf8.allSatisfy { (0x21...0x7E).contains($0) } ? name : ""
  }

  /// Longest name in the audit log.
  private static let resourceBytesMax = 200

  /// The text of a field, which is named by a dotted path; nil when it is empty.
  private static func text(_ path: String, of message: DynamicMessage) -> String? {
    var message: DynamicMessage? = message
    var names = path.split(separator: ".").map(String.init)
    let last = names.removeLast()
    for name in names {
      guard let field = message?.descriptor.schema.field(named: name), field.kind == .message else { return nil }
      message = message?.message(field)
    }
    guard let message, let field = message.descriptor.schema.field(named: last), field.kind == .string,
      !field.isRepeated
    else { return nil }
    let text = message.string(field)
    // A name has at most a few ids; what is longer was refused.
    return text.isEmpty || text.utf8.count > 200 ? nil : text
  }

  /// The methods of the API by their simple names.
  static let methods: [String: MethodDescriptor] = Dictionary(
    HandoffAPI.services.filter { $0.fullName.hasPrefix("handoff.gateway.") }.flatMap(\.methods).map { ($0.name, $0) },
    uniquingKeysWith: { first, _ in first })

  private func entry(
    _ kind: AuditEvent.Kind, _ caller: GatewayCaller, _ call: CallContext, resource: String = ""
  ) -> AuditEntry {
    AuditEntry(
      subject: .agent(caller.agent), kind: kind, credential: caller.credentialName, address: Self.address(of: call),
      resource: resource, requestID: call.requestID)
  }

  private func read<Request: Message>(_ bytes: [UInt8]) throws(ServiceError) -> Request {
    do {
      return try Request(serialized: bytes)
    } catch {
      throw ServiceError(.requestInvalid, "the message cannot be read: \(error)")
    }
  }

  private func me(_ agent: AgentID, _ options: CallOptions) async throws -> Agent {
    do {
      return try await backends.assignmentClient.getAgent(GetAgentRequest(name: "agents/\(agent)"), options)
    } catch let error as RPCError {
      throw Self.outward(error, .assignment)
    }
  }
}
