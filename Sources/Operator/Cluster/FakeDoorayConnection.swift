import EventLoop
import HandoffAPI
import MessageJSON
import Outbound
import RPC
import RPCProtos

/// Sets `care` up to work with the fake Dooray!, as its administrator would, through the API; what is there stays.
struct FakeDoorayConnection {
  private static let service = "services/\(DemoOrganization.care.code)"

  private let cluster: Cluster
  private let ports: ClusterPorts

  init(_ cluster: Cluster, _ ports: ClusterPorts) {
    self.cluster = cluster
    self.ports = ports
  }

  /// Sets it up.
  ///
  /// - Throws: `OperatorError` that says what could not be done.
  func make() async throws {
    guard let text = try PrivateFile.read(cluster.directory.signIns) else {
      return cluster.console.progress("The fake Dooray! is not set up: there are no sign-ins of a demo organization")
    }
    let client = try DemoClient(
      gateway: .tcp("127.0.0.1", ports[ClusterPlan.gatewayName]),
      edge: "http://127.0.0.1:\(ports[ClusterPlan.edgeName])", certificates: cluster.directory.certificates,
      group: cluster.clients)
    do {
      try await connect(client, SignIns(text))
    } catch {
      await client.close()
      throw OperatorError("the fake Dooray! could not be set up: \(error)")
    }
    await client.close()
    cluster.console.progress("The fake Dooray! is set up for \(DemoOrganization.care.displayName)")
  }

  private func connect(_ client: DemoClient, _ signIns: SignIns) async throws {
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
    let organization = try await organization(client, options)
    for person in DemoOrganization.people {
      guard let member = members.first(where: { $0.agentDisplayName == person.displayName }) else { continue }
      let number = member.agent.split(separator: "/").last ?? ""
      _ = try await client.api.setDoorayUserKey(
        SetDoorayUserKeyRequest(name: "\(organization.name)/userKeys/\(number)", key: FakeDooray.key(of: person)),
        options())
    }
    let administrator = members.first { $0.agentDisplayName == account.displayName }?.agent ?? ""
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
              representative: administrator)), options())
      }
      try await enterHook(of: project.id, "\(client.edge)\(settings.hookPath)", client.http)
    }
  }

  private func organization(
    _ client: DemoClient, _ options: () -> CallOptions
  ) async throws -> DoorayOrganization {
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

  /// Enters at the fake where its hooks go.
  private func enterHook(of project: String, _ url: String, _ http: HTTPClient) async throws {
    let body = JSONValue.object([
      JSONMember(name: "project", value: .string(project)), JSONMember(name: "url", value: .string(url)),
    ])
    let request = HTTPRequest(
      "POST", "\(FakeDooray.url(ports))/_control/hook", headers: ["content-type: application/json"],
      body: JSONWriter.bytes(of: body))
    let deadline = Deadline.after(.seconds(30))
    while true {
      do {
        let reply = try await http.send(request, deadline: deadline)
        guard reply.status == 200 else { throw DemoFailure("the fake Dooray! answered \(reply.status)") }
        return
      } catch let failure as HTTPFailure {
        // Python may be slower than five daemons.
        guard !deadline.hasPassed else { throw failure }
        try await cluster.clients.next().sleep(for: .milliseconds(50))
      }
    }
  }
}
