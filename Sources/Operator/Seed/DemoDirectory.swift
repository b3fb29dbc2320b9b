import Crypto
import EventLoop
import HandoffAPI
import Postgres
import Protobuf
import ServiceKit
import TicketLedger

/// The demo organization as it stands in the database: keys of the demo tables to ids.
struct DemoDirectory: Sendable {
  private(set) var agents: [String: AgentID] = [:]
  private(set) var customers: [(id: CustomerID, customer: DemoCustomer)] = []
  private(set) var groups: [String: GroupID] = [:]
  private(set) var submissionTypes: [String: SubmissionTypeID] = [:]
  private(set) var processingTypes: [String: ProcessingTypeID] = [:]
  /// The sequential trigger of each service.
  private(set) var triggers: [String: TriggerID] = [:]

  /// Writes the organization and its customers in one transaction.
  ///
  /// - Parameter passwords: One for each of `DemoOrganization.people`.
  static func write(
    _ customers: [DemoCustomer], passwords: [String], to pool: PostgresPool
  ) async throws -> DemoDirectory {
    // Takes a tenth of a second each, so it is done before the transaction.
    let hashes = try passwords.map { try Scrypt.hash($0) }
    return try await pool.transaction(deadline: .after(.seconds(120))) { transaction in
      var directory = DemoDirectory()
      try await directory.writePeople(hashes, customers, transaction)
      for service in DemoOrganization.services { try await directory.write(service, transaction) }
      return directory
    }
  }

  private var organizationID: Int64 = 0

  private mutating func writePeople(
    _ hashes: [String], _ people: [DemoCustomer], _ transaction: PostgresTransaction
  ) async throws {
    let rows = try await transaction.query(
      """
      INSERT INTO organization (code, display_name)
      VALUES (\(DemoOrganization.code), \(DemoOrganization.displayName)) RETURNING id
      """)
    organizationID = try rows[0].int64(0)
    for (person, hash) in zip(DemoOrganization.people, hashes) {
      let rows = try await transaction.query(
        """
        INSERT INTO agent (organization_id, email, display_name, is_organization_administrator)
        VALUES (\(organizationID), \(person.email), \(person.displayName), \(person.isAdministrator)) RETURNING id
        """)
      let id: AgentID = try rows[0].value(0)
      agents[person.key] = id
      _ = try await transaction.execute(
        "INSERT INTO credential (agent_id, password_hash) VALUES (\(id), \(hash))")
    }
    let inserts: [Query] = people.map { customer in
      """
      INSERT INTO customer (organization_id, display_name, email, phone)
      VALUES (\(organizationID), \(customer.displayName), \(customer.email), \(customer.phone)) RETURNING id
      """
    }
    customers = try zip(try await transaction.batch(inserts), people).map { rows, customer in
      (try rows[0].value(0), customer)
    }
  }

  private mutating func write(
    _ service: DemoOrganization.Service, _ transaction: PostgresTransaction
  ) async throws {
    let rows = try await transaction.query(
      """
      INSERT INTO service (organization_id, code, kind, display_name, mail_sender_name, mail_sender_address)
      VALUES (\(organizationID), \(service.code), \(service.kind.rawValue), \(service.displayName),
        \(service.senderName), \(service.senderAddress)) RETURNING id
      """)
    let id: ServiceID = try rows[0].value(0)
    try await writeMembers(service, id, transaction)
    for (position, tree) in service.submissionTypes.enumerated() {
      try await writeType(tree, "submission_type", id, parent: nil, level: 1, position, service.code, transaction)
    }
    for (position, tree) in service.processingTypes.enumerated() {
      try await writeType(tree, "processing_type", id, parent: nil, level: 1, position, service.code, transaction)
    }
    var inserts: [Query] = DemoLayouts.all.map { layout in
      """
      INSERT INTO mail_layout (service_id, kind, language, subject, body)
      VALUES (\(id), \(layout.kind), \(layout.language), \(layout.subject), \(layout.body))
      """
    }
    inserts += service.bannedWords.map { "INSERT INTO banned_word (service_id, word) VALUES (\(id), \($0))" }
    _ = try await transaction.batch(inserts)
    try await writeTriggers(service, id, transaction)
  }

  private mutating func writeMembers(
    _ service: DemoOrganization.Service, _ id: ServiceID, _ transaction: PostgresTransaction
  ) async throws {
    var inserts: [Query] = []
    for key in service.members {
      guard let agent = agents[key] else { continue }
      let isAdministrator = key == DemoOrganization.administrator.key
      inserts.append(
        """
        INSERT INTO service_member (service_id, agent_id, role, has_forward_right, is_assignable)
        VALUES (\(id), \(agent), \(isAdministrator ? "ADMINISTRATOR" : "AGENT"),
          \(isAdministrator || service.forwarders.contains(key)), \(!isAdministrator))
        """)
    }
    _ = try await transaction.batch(inserts)
    for group in service.groups {
      let rows = try await transaction.query(
        "INSERT INTO agent_group (service_id, display_name) VALUES (\(id), \(group.displayName)) RETURNING id")
      let groupID: GroupID = try rows[0].value(0)
      groups["\(service.code)/\(group.key)"] = groupID
      _ = try await transaction.batch(
        group.members.compactMap { agents[$0] }.map { agent in
          "INSERT INTO group_member (service_id, group_id, agent_id) VALUES (\(id), \(groupID), \(agent))"
        })
    }
  }

  private mutating func writeType(
    _ tree: DemoOrganization.TypeTree, _ table: String, _ service: ServiceID, parent: Int64?, level: Int,
    _ position: Int,
    _ code: String, _ transaction: PostgresTransaction
  ) async throws {
    let rows = try await transaction.query(
      """
      INSERT INTO \(identifier: table) (service_id, parent_id, level, display_name, position)
      VALUES (\(service), \(parent), \(Int16(level)), \(tree.displayName), \(Int32(position))) RETURNING id
      """)
    let id = try rows[0].int64(0)
    if table == "submission_type" {
      submissionTypes["\(code)/\(tree.key)"] = SubmissionTypeID(id)
    } else {
      processingTypes["\(code)/\(tree.key)"] = ProcessingTypeID(id)
    }
    for (position, child) in tree.children.enumerated() {
      try await writeType(child, table, service, parent: id, level: level + 1, position, code, transaction)
    }
  }

  /// Urgent words raise the priority; then new tickets are given to the agents in turn.
  private mutating func writeTriggers(
    _ service: DemoOrganization.Service, _ id: ServiceID, _ transaction: PostgresTransaction
  ) async throws {
    let isNew = TriggerCondition(target: .cause, operator: .in, values: ["CREATED"])
    let urgent = Trigger(
      displayName: "긴급 문의 표시",
      conditions: [
        isNew, TriggerCondition(target: .title, operator: .contains, values: ["긴급", "급해요", "urgent"]),
      ],
      results: [TriggerResult(result: .priority(.urgent))])
    guard let group = groups["\(service.code)/\(service.rotation.group)"] else { return }
    let inTurn = Trigger(
      displayName: service.rotation.trigger,
      conditions: [isNew, TriggerCondition(target: .state, operator: .in, values: ["UNASSIGNED"])],
      results: [
        TriggerResult(
          result: .assign(
            AssignResult(
              mode: .sequential, group: GroupName(service: service.code, id: group).description,
              agents: service.rotation.agents.compactMap { agents[$0] }.map { AgentName(id: $0).description })))
      ])
    for (position, trigger) in [urgent, inTurn].enumerated() {
      let rows = try await transaction.query(
        """
        INSERT INTO trigger_rule (service_id, display_name, position, conditions, results)
        VALUES (\(id), \(trigger.displayName), \(Int32(position + 1)),
          \(try Trigger(conditions: trigger.conditions).serialized()),
          \(try Trigger(results: trigger.results).serialized())) RETURNING id
        """)
      triggers[service.code] = try rows[0].value(0)
    }
  }
}
