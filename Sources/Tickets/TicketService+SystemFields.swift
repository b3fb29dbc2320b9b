package import HandoffAPI
package import RPC
import ServiceKit
import TicketLedger

extension TicketService {
  /// Lists the fields that every ticket has, as a service wants them.
  ///
  /// - Throws: SERVICE_NOT_FOUND, REQUEST_INVALID.
  package func listSystemFields(
    _ request: ListSystemFieldsRequest, _ call: CallContext
  ) async throws -> ListSystemFieldsResponse {
    let name = try ServiceName(request.parent, field: "parent")
    let access = try await ledger.access(call, serviceCode: name.code)
    let catalog = try await fields.catalog(of: access.service.id, deadline: call.deadline)
    return ListSystemFieldsResponse(
      systemFields: SystemFieldCode.allCases.map { catalog.systemField($0).message(in: access.service) })
  }

  /// Changes a field that every ticket has.
  ///
  /// - Throws: FIELD_NOT_FOUND, STALE_VERSION, PERMISSION_DENIED, REQUEST_INVALID.
  package func updateSystemField(
    _ request: UpdateSystemFieldRequest, _ call: CallContext
  ) async throws -> SystemField {
    let wanted = request.systemField ?? SystemField()
    var check = RequestCheck()
    check.name(wanted.name, "system_field.name", SystemFieldName.self)
    let mask = check.mask(request.updateMask, SystemFieldRecord.paths)
    check.version(request.version)
    try check.done()
    let name = try SystemFieldName(wanted.name, field: "system_field.name")
    let access = try await administering(name.service, call)
    var field = try await systemField(name, access, call)
    field.change(to: wanted, mask, language: access.service.language, &check)
    try check.done()
    return try await save(field, access, mask, seen: request.version, call)
  }

  /// Takes back all changes of a field that every ticket has.
  ///
  /// - Throws: FIELD_NOT_FOUND, STALE_VERSION, PERMISSION_DENIED, REQUEST_INVALID.
  package func resetSystemField(
    _ request: ResetSystemFieldRequest, _ call: CallContext
  ) async throws -> SystemField {
    var check = RequestCheck()
    check.name(request.name, "name", SystemFieldName.self)
    check.version(request.version)
    try check.done()
    let name = try SystemFieldName(request.name, field: "name")
    let access = try await administering(name.service, call)
    let known = try await systemField(name, access, call)
    // What is as it is built in needs no new version.
    if known.changed.isEmpty, request.version == 0 || request.version == known.version {
      return known.message(in: access.service)
    }
    return try await save(
      SystemFieldRecord(known.field, version: known.version), access, Set(known.changed), seen: request.version, call)
  }

  private func save(
    _ field: SystemFieldRecord, _ access: Access, _ changed: Set<String>, seen: Int64, _ call: CallContext
  ) async throws -> SystemField {
    // What was not named is written as it was read, so that version it must still be.
    let change = try SettingChange(
      access, .systemField(field.field.rawValue), changed, seen: seen == 0 ? field.version : seen)
    try await store.update(field, change, deadline: call.deadline)
    let service = access.service
    fields.forget(service.id)
    let catalog = try await fields.catalog(of: service.id, deadline: call.deadline)
    return catalog.systemField(field.field).message(in: service)
  }

  private func systemField(
    _ name: SystemFieldName, _ access: Access, _ call: CallContext
  ) async throws -> SystemFieldRecord {
    guard let field = SystemFieldCode(rawValue: name.code) else { throw ServiceError(.fieldNotFound) }
    fields.forget(access.service.id)
    return try await fields.catalog(of: access.service.id, deadline: call.deadline).systemField(field)
  }
}
