import EventLoop
import HandoffAPI
import MessageJSON
import Outbound
import RPC
import RPCProtos
import ServiceKit

/// Sets `care` up to work with a fake Dooray!, as its administrator would, through the API; what is there stays.
struct FakeDoorayConnection {
  private static let service = "services/\(DemoOrganization.care.code)"

  private let client: DemoClient
  private let signIns: SignIns
  /// The URL of the fake, without a path.
  private let url: String
  /// The URL of its channel's hook.
  private let hookURL: String

  init(_ client: DemoClient, _ signIns: SignIns, url: String, hookURL: String) {
    self.client = client
    self.signIns = signIns
    self.url = url
    self.hookURL = hookURL
  }

  /// Sets up the one that runs beside a cluster; where the administrator's password is another one by now, it says so
  /// and leaves it at that.
  ///
  /// - Throws: `OperatorError` that says what could not be done.
  static func make(in cluster: Cluster, _ ports: ClusterPorts) async throws {
    guard let text = try PrivateFile.read(cluster.directory.signIns) else {
      return cluster.console.progress("The fake Dooray! is not set up: there are no sign-ins of a demo organization")
    }
    let client = try DemoClient(
      gateway: .tcp("127.0.0.1", ports[ClusterPlan.gatewayName]),
      edge: "http://127.0.0.1:\(ports[ClusterPlan.edgeName])", certificates: cluster.directory.certificates,
      group: cluster.clients)
    do {
      try await FakeDoorayConnection(
        client, SignIns(text), url: FakeDooray.url(ports), hookURL: FakeDooray.hookURL(ports)
      ).make()
    } catch let error as RPCError where ServiceError(error).reason == .signInFailed {
      await client.close()
      let account = DemoOrganization.administrator.email
      return cluster.console.progress(
        "The fake Dooray! runs, but is not set up: the password of \(account) is not the one in"
          + " \(cluster.directory.requested)/sign-ins.txt any more. Write it there and start again, or set Dooray! up"
          + " by hand (docs/dooray.md)")
    } catch {
      await client.close()
      throw OperatorError("the fake Dooray! could not be set up: \(error)")
    }
    await client.close()
    cluster.console.progress("The fake Dooray! is set up for \(DemoOrganization.care.displayName)")
  }

  /// Sets it up.
  ///
  /// - Throws: the API's errors, `HTTPFailure`, `DemoFailure`.
  func make() async throws {
    try await people()
    let account = DemoOrganization.administrator
    let session = try await client.sessions.signIn(
      SignInRequest(email: account.email, password: try signIns.password(of: account.email)), client.anonymous)
    let options = { client.signedIn(session.token) }
    let members = try await client.api.listMembers(
      ListMembersRequest(parent: Self.service, pageSize: 200), options()
    ).members
    var settings = try await client.api.getDooraySettings(
      GetDooraySettingsRequest(name: "\(Self.service)/dooraySettings"), options())
    if settings.state != .active {
      settings.state = .active
      settings = try await client.api.updateDooraySettings(
        UpdateDooraySettingsRequest(dooraySettings: settings, updateMask: FieldMask(paths: ["state"])), options())
    }
    let organization = try await organization(options)
    for person in DemoOrganization.people {
      guard let member = members.first(where: { $0.agentDisplayName == person.displayName }) else { continue }
      let number = member.agent.split(separator: "/").last ?? ""
      _ = try await client.api.setDoorayUserKey(
        SetDoorayUserKeyRequest(name: "\(organization.name)/userKeys/\(number)", key: FakeDooray.key(of: person)),
        options())
    }
    let administrator = members.first { $0.agentDisplayName == account.displayName }?.agent ?? ""
    try await projects(of: organization, representative: administrator, hookPath: settings.hookPath, options)
    try await tellChannel(options)
  }

  /// Who and what there is, where it knows nobody yet.
  private func people() async throws {
    let asked = Outbound.HTTPRequest(
      "GET", "\(url)/common/v1/members/me", headers: ["authorization: dooray-api \(FakeDooray.token)"])
    if try await waiting(for: asked).status == 401 { try await control("world", FakeDooray.world) }
  }

  private func organization(_ options: () -> CallOptions) async throws -> DoorayOrganization {
    let known = try await client.api.listDoorayOrganizations(
      ListDoorayOrganizationsRequest(parent: Self.service), options()
    ).organizations.first { $0.doorayId == FakeDooray.organization }
    if let known { return known }
    return try await client.api.createDoorayOrganization(
      CreateDoorayOrganizationRequest(
        parent: Self.service,
        organization: DoorayOrganization(
          displayName: DemoOrganization.displayName, doorayId: FakeDooray.organization, token: FakeDooray.token)),
      options())
  }

  /// Enters the projects here, and there where their hooks go.
  private func projects(
    of organization: DoorayOrganization, representative: String, hookPath: String, _ options: () -> CallOptions
  ) async throws {
    let known = try await client.api.listDoorayProjects(
      ListDoorayProjectsRequest(parent: Self.service), options()
    ).projects
    for project in FakeDooray.projects {
      if !known.contains(where: { $0.doorayId == project.id }) {
        _ = try await client.api.createDoorayProject(
          CreateDoorayProjectRequest(
            parent: Self.service,
            project: DoorayProject(
              organization: organization.name, displayName: project.displayName, doorayId: project.id,
              representative: representative)), options())
      }
      try await control(
        "hook",
        .object([
          JSONMember(name: "project", value: .string(project.id)),
          JSONMember(name: "url", value: .string("\(client.edge)\(hookPath)")),
        ]))
    }
  }

  /// A trigger tells the channel when a task is done.
  private func tellChannel(_ options: () -> CallOptions) async throws {
    let known = try await client.api.listMessengerHooks(
      ListMessengerHooksRequest(parent: Self.service), options()
    ).messengerHooks.first { $0.displayName == FakeDooray.channel }
    if let known {
      // Its port may be another one at every start.
      _ = try await client.api.updateMessengerHook(
        UpdateMessengerHookRequest(
          messengerHook: MessengerHook(name: known.name, url: hookURL), updateMask: FieldMask(paths: ["url"])),
        options())
      return
    }
    let hook = try await client.api.createMessengerHook(
      CreateMessengerHookRequest(
        parent: Self.service, messengerHook: MessengerHook(displayName: FakeDooray.channel, url: hookURL)), options())
    let answered = TriggerCondition(target: .state, operator: .changedTo, values: ["DOORAY_ANSWERED"])
    let message = MessengerResult(hook: hook.name, text: "#{ticketId} #{subject}: Dooray!에서 처리되었습니다.")
    _ = try await client.api.createTrigger(
      CreateTriggerRequest(
        parent: Self.service,
        trigger: Trigger(
          displayName: FakeDooray.channel, conditions: [answered],
          results: [TriggerResult(result: .messenger(message))])), options())
  }

  /// Does something at the fake that people would do there.
  private func control(_ name: String, _ body: JSONValue) async throws {
    let reply = try await waiting(
      for: Outbound.HTTPRequest(
        "POST", "\(url)/_control/\(name)", headers: ["content-type: application/json"],
        body: JSONWriter.bytes(of: body)))
    guard reply.status == 200 else { throw DemoFailure("the fake Dooray! answered \(reply.status)") }
  }

  /// Asks, also one that has only just been started: Python may be slower than five daemons.
  private func waiting(for request: Outbound.HTTPRequest) async throws -> HTTPReply {
    let deadline = Deadline.after(.seconds(30))
    while true {
      do {
        return try await client.http.send(request, deadline: deadline)
      } catch let failure as HTTPFailure {
        guard !deadline.hasPassed else { throw failure }
        try await EventLoop.pause(for: .milliseconds(50))
      }
    }
  }
}
