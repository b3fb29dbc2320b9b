import EventLoop
package import HandoffAPI
package import RPC
package import RPCProtos
import ServiceKit
import TicketLedger

extension TicketService {
  /// Lists the fields that a service adds to its tickets.
  ///
  /// - Throws: SERVICE_NOT_FOUND, REQUEST_INVALID.
  package func listFields(_ request: ListFieldsRequest, _ call: CallContext) async throws -> ListFieldsResponse {
    let name = try ServiceName(request.parent, field: "parent")
    let access = try await ledger.access(call, serviceCode: name.code)
    let catalog = try await fields.catalog(of: access.service.id, deadline: call.deadline)
    return ListFieldsResponse(fields: catalog.fields.map { $0.message(in: name.code) })
  }

  /// Adds a field.
  ///
  /// - Throws: SERVICE_NOT_FOUND, ALREADY_EXISTS, LIMIT_REACHED, PERMISSION_DENIED, REQUEST_INVALID.
  package func createField(_ request: CreateFieldRequest, _ call: CallContext) async throws -> Field {
    var check = RequestCheck()
    check.name(request.parent, "parent", ServiceName.self)
    let draft = FieldDraft(creating: request.field ?? Field(), &check)
    try check.done()
    let name = try ServiceName(request.parent, field: "parent")
    let service = try await administered(name.code, call)
    let id = try await store.create(draft, in: service.id, deadline: call.deadline)
    return try await field(id, of: service, call.deadline).message(in: service.code)
  }

  /// Changes a field.
  ///
  /// - Throws: FIELD_NOT_FOUND, STALE_VERSION, PERMISSION_DENIED, REQUEST_INVALID.
  package func updateField(_ request: UpdateFieldRequest, _ call: CallContext) async throws -> Field {
    let wanted = request.field ?? Field()
    var check = RequestCheck()
    check.name(wanted.name, "field.name", FieldName.self)
    let mask = check.mask(request.updateMask, FieldDraft.paths)
    check.version(request.version)
    try check.done()
    let name = try FieldName(wanted.name, field: "field.name")
    let access = try await administering(name.service, call)
    let service = access.service
    let known = try await field(name.id, of: service, call.deadline)
    let draft = FieldDraft(changing: known, to: wanted, mask, &check)
    try check.done()
    // What the mask leaves out is written as it was read, so that version it must still be.
    let seen = request.version == 0 ? known.version : request.version
    let change = try SettingChange(access, .field(known.id), mask, seen: seen)
    try await store.update(known.id, draft, change, readVersion: known.version, deadline: call.deadline)
    return try await field(known.id, of: service, call.deadline).message(in: service.code)
  }

  /// Deletes a field, or deactivates it when it is in use and the caller says so.
  ///
  /// - Throws: FIELD_NOT_FOUND, IN_USE, PERMISSION_DENIED, REQUEST_INVALID.
  package func deleteField(_ request: DeleteFieldRequest, _ call: CallContext) async throws -> Empty {
    let name = try FieldName(request.name, field: "name")
    let access = try await administering(name.service, call)
    let known = try await field(name.id, of: access.service, call.deadline)
    let users = try await store.deleteField(known, in: access.service.id, deadline: call.deadline)
    if !users.isEmpty {
      guard request.deactivateIfUsed else {
        let all = users.joined(separator: ", ")
        throw ServiceError(
          .inUse, "\(all) use this field; change them first, or deactivate the field (deactivate_if_used)",
          metadata: ["used_by": users.joined(separator: ",")])
      }
      let change = try SettingChange(access, .field(name.id), ["active"])
      try await store.deactivateField(name.id, change, deadline: call.deadline)
    }
    fields.forget(access.service.id)
    return Empty()
  }

  /// Returns the form of a submission type; that of an issue service also for members of the organization's
  /// consultation services, who escalate to it.
  ///
  /// - Throws: SERVICE_NOT_FOUND, TYPE_NOT_FOUND, REQUEST_INVALID.
  package func getForm(_ request: GetFormRequest, _ call: CallContext) async throws -> Form {
    let name = try SubmissionTypeName(request.submissionType, field: "submission_type")
    let actor = try call.actor()
    do {
      let access = try await ledger.access(actor, serviceCode: name.service, deadline: call.deadline)
      return try await form(
        name, of: access.service, all: access.member?.role == .administrator, forAgents: true, call.deadline)
    } catch let error as ServiceError where error.reason == .serviceNotFound {
      let service = try await ledger.directory.service(code: name.service, deadline: call.deadline)
      guard service.kind == .issue, let agent = actor.agentID,
        try await store.mayEscalate(agent, in: service.organizationID, deadline: call.deadline)
      else { throw error }
      return try await form(name, of: service, all: false, forAgents: false, call.deadline)
    }
  }

  /// Says which customer fields a submission type asks for.
  ///
  /// - Throws: SERVICE_NOT_FOUND, TYPE_NOT_FOUND, FIELD_NOT_FOUND, PERMISSION_DENIED, REQUEST_INVALID.
  package func updateForm(_ request: UpdateFormRequest, _ call: CallContext) async throws -> Form {
    var check = RequestCheck()
    check.name(request.submissionType, "submission_type", SubmissionTypeName.self)
    check.require(
      request.customerFields.count <= FieldValues.fieldsMax, "customer_fields",
      "must be at most \(FieldValues.fieldsMax)")
    check.require(
      Set(request.customerFields).count == request.customerFields.count, "customer_fields", "must name each field once")
    for (index, name) in request.customerFields.prefix(FieldValues.fieldsMax).enumerated() {
      check.name(name, "customer_fields[\(index)]", FieldName.self)
    }
    check.version(request.version)
    try check.done()
    let name = try SubmissionTypeName(request.submissionType, field: "submission_type")
    let access = try await administering(name.service, call)
    let service = access.service
    fields.forget(service.id)
    let catalog = try await fields.catalog(of: service.id, deadline: call.deadline)
    var ids: [FieldID] = []
    for (index, text) in request.customerFields.enumerated() {
      let field = try FieldName(text, field: "customer_fields[\(index)]")
      guard field.service == service.code, let known = catalog.field(field.id) else {
        throw ServiceError(.fieldNotFound)
      }
      guard known.audience == .customer else {
        throw ServiceError.invalid("customer_fields[\(index)]", "is an agent field, which is on every ticket's form")
      }
      ids.append(known.id)
    }
    let change = try SettingChange(access, .form(name.id), ["customer_fields"], seen: request.version)
    try await store.setForm(name.id, ids, change, deadline: call.deadline)
    fields.forget(service.id)
    return try await form(name, of: service, all: true, forAgents: true, call.deadline)
  }

  /// Returns the form of a ticket with its values; fields that only administrators see are shown to nobody else.
  ///
  /// - Throws: TICKET_NOT_FOUND, PERMISSION_DENIED, REQUEST_INVALID.
  package func getTicketForm(_ request: GetTicketFormRequest, _ call: CallContext) async throws -> TicketForm {
    let name = try TicketName(request.ticket, field: "ticket")
    let (access, ticket) = try await reading(name, call)
    let catalog = try await fields.catalog(of: ticket.serviceID, deadline: call.deadline)
    let values = try await store.fieldValues(of: ticket, deadline: call.deadline)
    let seesAll = access.member?.role != .agent
    // What was filled in stays to be seen, whatever became of the form.
    func withOthers(_ form: [FieldRecord], of audience: FieldAudience) -> [FieldRecord] {
      form
        + catalog.fields.filter { field in
          field.audience == audience && values[field.id] != nil && (seesAll || !field.isAdministratorsOnly)
            && !form.contains { $0.id == field.id }
        }
    }
    let customers = withOthers(catalog.customerForm(ticket.submissionTypeID), of: .customer)
    let agents = withOthers(catalog.agentForm(all: seesAll), of: .agent)
    let masks = try await ledger.textMasks(
      on: ticket, in: "ticket_field_value.value", of: values.values, deadline: call.deadline)
    func filled(_ fields: [FieldRecord]) -> [FormField] {
      fields.map { field in
        FormField(
          field: field.message(in: name.service), values: FieldRules.values(values[field.id] ?? "", of: field.kind),
          masks: (masks[field.id.description] ?? []).map { $0.in("field.\(field.rule.code)") })
      }
    }
    return TicketForm(ticket: name.description, customerFields: filled(customers), agentFields: filled(agents))
  }

  /// The service that the caller runs.
  func administered(_ code: String, _ call: CallContext) async throws -> ServiceRecord {
    try await administering(code, call).service
  }

  /// Who runs a service.
  func administering(_ code: String, _ call: CallContext) async throws -> Access {
    let access = try await ledger.access(call, serviceCode: code)
    try access.require(.administrator)
    return access
  }

  private func field(_ id: FieldID, of service: ServiceRecord, _ deadline: Deadline) async throws -> FieldRecord {
    fields.forget(service.id)
    guard let field = try await fields.catalog(of: service.id, deadline: deadline).field(id) else {
      throw ServiceError(.fieldNotFound)
    }
    return field
  }

  private func form(
    _ type: SubmissionTypeName, of service: ServiceRecord, all: Bool, forAgents: Bool, _ deadline: Deadline
  ) async throws -> Form {
    let version = try await store.formVersion(of: type.id, in: service.id, deadline: deadline)
    let catalog = try await fields.catalog(of: service.id, deadline: deadline)
    return Form(
      submissionType: type.description,
      customerFields: catalog.customerForm(type.id).map { $0.message(in: service.code) },
      agentFields: forAgents ? catalog.agentForm(all: all).map { $0.message(in: service.code) } : [],
      version: version, systemFields: Self.systemFields(catalog, service, all: all, forAgents: forAgents))
  }

  /// The fields of every ticket that a form shows.
  private static func systemFields(
    _ catalog: FieldCatalog, _ service: ServiceRecord, all: Bool, forAgents: Bool
  ) -> [SystemField] {
    SystemFieldCode.allCases.map { catalog.systemField($0).message(in: service) }.filter { field in
      field.audience == .customer || forAgents && (all || !field.administratorsOnly)
    }
  }
}
