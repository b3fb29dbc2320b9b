import EventLoop
package import HandoffAPI
import Postgres
package import RPC
import ServiceKit
import TicketLedger

extension TicketService {
  /// Most conditions that an agent adds to a search.
  static let searchFieldsMax = 50

  /// Returns the conditions that the calling agent added to the search of a service.
  ///
  /// - Throws: SERVICE_NOT_FOUND, PERMISSION_DENIED, REQUEST_INVALID.
  package func getSearchSettings(_ request: GetSearchSettingsRequest, _ call: CallContext) async throws
    -> SearchSettings
  {
    let name = try SearchSettingsName(request.name, field: "name")
    let access = try await ledger.access(call, serviceCode: name.service)
    try access.require(.ticket)
    let fields = try await store.searchFields(
      of: try access.agent().agentID, in: access.service.id, deadline: call.deadline)
    return message(name, fields)
  }

  /// Changes the conditions that the calling agent added to the search of a service.
  ///
  /// - Throws: SERVICE_NOT_FOUND, FIELD_NOT_FOUND, PERMISSION_DENIED, REQUEST_INVALID.
  package func updateSearchSettings(
    _ request: UpdateSearchSettingsRequest, _ call: CallContext
  ) async throws -> SearchSettings {
    let wanted = request.searchSettings ?? SearchSettings()
    var check = RequestCheck()
    check.name(wanted.name, "search_settings.name", SearchSettingsName.self)
    _ = check.mask(request.updateMask, ["fields"])
    let place = "search_settings.fields"
    check.require(wanted.fields.count <= Self.searchFieldsMax, place, "must be at most \(Self.searchFieldsMax)")
    check.require(Set(wanted.fields).count == wanted.fields.count, place, "must name each field once")
    let names = wanted.fields.prefix(Self.searchFieldsMax).enumerated().compactMap { index, text in
      check.value("\(place)[\(index)]") { () throws(ServiceError) in
        try FieldName(text, field: "\(place)[\(index)]")
      }
    }
    try check.done()
    let name = try SearchSettingsName(wanted.name, field: "search_settings.name")
    let access = try await ledger.access(call, serviceCode: name.service)
    try access.require(.ticket)
    let agent = try access.agent()
    let catalog = try await fields.catalog(of: access.service.id, deadline: call.deadline)
    for (index, field) in names.enumerated() {
      guard field.service == name.service, let known = catalog.field(field.id),
        agent.role == .administrator || !known.isAdministratorsOnly
      else { throw ServiceError(.fieldNotFound) }
      check.require(known.kind.question != nil, "\(place)[\(index)]", "is a field that cannot be searched")
    }
    try check.done()
    try await store.setSearchFields(
      names.map(\.id), of: agent.agentID, in: access.service.id, deadline: call.deadline)
    return message(name, names.map(\.id))
  }

  private func message(_ name: SearchSettingsName, _ fields: [FieldID]) -> SearchSettings {
    SearchSettings(
      name: name.description, fields: fields.map { FieldName(service: name.service, id: $0).description })
  }
}

extension TicketStore {
  /// Fields that an agent asks for, in order; deleted ones are left out.
  func searchFields(of agent: AgentID, in service: ServiceID, deadline: Deadline) async throws -> [FieldID] {
    try await ServiceError.translating {
      try await pool.query(
        """
        SELECT c.field_id FROM search_condition AS c
        JOIN ticket_field AS f ON f.service_id = c.service_id AND f.id = c.field_id AND f.delete_time IS NULL
        WHERE c.service_id = \(service) AND c.agent_id = \(agent) ORDER BY c.position
        """, deadline: deadline
      ).map { try $0.value(0) }
    }
  }

  /// Replaces the fields that an agent asks for.
  func setSearchFields(
    _ fields: [FieldID], of agent: AgentID, in service: ServiceID, deadline: Deadline
  ) async throws {
    _ = try await ServiceError.translating {
      try await pool.transactionBatch(
        [
          "DELETE FROM search_condition WHERE service_id = \(service) AND agent_id = \(agent)",
          """
          INSERT INTO search_condition (service_id, agent_id, position, field_id)
          SELECT \(service), \(agent), f.position, f.id FROM unnest(\(fields)) WITH ORDINALITY AS f (id, position)
          """,
        ], deadline: deadline)
    }
  }
}
