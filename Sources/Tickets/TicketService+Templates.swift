import EventLoop
package import HandoffAPI
package import RPC
package import RPCProtos
import ServiceKit
import TicketLedger

extension TicketService {
  /// Returns a template of one of the caller's services. Those that other services share are listed with all that they
  /// say, and inserted by their names.
  ///
  /// - Throws: SERVICE_NOT_FOUND, TEMPLATE_NOT_FOUND, REQUEST_INVALID.
  package func getTemplate(_ request: GetTemplateRequest, _ call: CallContext) async throws -> Template {
    let name = try TemplateName(request.name, field: "name")
    let access = try await ledger.access(call, serviceCode: name.service)
    return try await store.template(name.id, of: access.service.id, deadline: call.deadline).message(in: name.service)
  }

  /// Lists the templates of a service and those that other services share with it.
  ///
  /// - Throws: SERVICE_NOT_FOUND, TYPE_NOT_FOUND, PAGE_TOKEN_INVALID, REQUEST_INVALID.
  package func listTemplates(
    _ request: ListTemplatesRequest, _ call: CallContext
  ) async throws -> ListTemplatesResponse {
    var check = RequestCheck()
    check.name(request.parent, "parent", ServiceName.self)
    let title = check.line(
      request.title, "title", charactersMax: FieldLimits.titleCharactersMax, mayBeBlank: true)
    let searchCode = check.line(request.searchCode, "search_code", charactersMax: 80, mayBeBlank: true)
    let type: ProcessingTypeName? = check.optionalName(request.processingType, "processing_type")
    _ = check.pageSize(request.pageSize, sizeDefault: 50)
    try check.done()
    let parent = try ServiceName(request.parent, field: "parent")
    let access = try await ledger.access(call, serviceCode: parent.code)
    if let type, type.service != parent.code { throw ServiceError(.typeNotFound) }
    let page = try PageRequest(
      request.pageToken, size: request.pageSize, sizeDefault: 50,
      scope: "ListTemplates \(parent) \(request.processingType) \(searchCode) \(title)", key: ledger.key.pages)
    let filter = TemplateFilter(
      service: access.service, title: title, searchCode: searchCode, processingType: type?.id)
    let found = try await store.templates(
      filter, after: TemplateID(page.after), limit: page.size + 1, deadline: call.deadline)
    var templates: [Template] = []
    for record in found.prefix(page.size) {
      let owner = try await ledger.directory.service(id: record.serviceID, deadline: call.deadline)
      templates.append(record.message(in: owner.code))
    }
    let last = found.count > page.size ? found[page.size - 1] : nil
    return ListTemplatesResponse(
      templates: templates, nextPageToken: last.map { page.token(after: $0.id.rawValue) } ?? "")
  }

  /// Adds a template.
  ///
  /// - Throws: SERVICE_NOT_FOUND, TYPE_NOT_FOUND, ALREADY_EXISTS, LIMIT_REACHED, PERMISSION_DENIED, REQUEST_INVALID.
  package func createTemplate(_ request: CreateTemplateRequest, _ call: CallContext) async throws -> Template {
    var check = RequestCheck()
    check.name(request.parent, "parent", ServiceName.self)
    let change = TemplateChange(request.template ?? Template(), Set(TemplateChange.paths), &check)
    try check.done()
    let name = try ServiceName(request.parent, field: "parent")
    let service = try await administered(name.code, call)
    try change.requireTypes(of: service)
    let id = try await store.createTemplate(change, in: service, deadline: call.deadline)
    return try await store.template(id, of: service.id, deadline: call.deadline).message(in: service.code)
  }

  /// Changes a template.
  ///
  /// - Throws: TEMPLATE_NOT_FOUND, TYPE_NOT_FOUND, STALE_VERSION, ALREADY_EXISTS, PERMISSION_DENIED, REQUEST_INVALID.
  package func updateTemplate(_ request: UpdateTemplateRequest, _ call: CallContext) async throws -> Template {
    let wanted = request.template ?? Template()
    var check = RequestCheck()
    check.name(wanted.name, "template.name", TemplateName.self)
    let paths = check.mask(request.updateMask, TemplateChange.paths)
    let change = TemplateChange(wanted, paths, &check)
    check.version(request.version)
    try check.done()
    let name = try TemplateName(wanted.name, field: "template.name")
    let access = try await administering(name.service, call)
    let service = access.service
    try change.requireTypes(of: service)
    let setting = try SettingChange(access, .template(name.id), paths, seen: request.version)
    try await store.updateTemplate(name.id, change, setting, deadline: call.deadline)
    return try await store.template(name.id, of: service.id, deadline: call.deadline).message(in: service.code)
  }

  /// Deletes a template.
  ///
  /// - Throws: TEMPLATE_NOT_FOUND, PERMISSION_DENIED, REQUEST_INVALID.
  package func deleteTemplate(_ request: DeleteTemplateRequest, _ call: CallContext) async throws -> Empty {
    let name = try TemplateName(request.name, field: "name")
    let service = try await administered(name.service, call)
    try await store.deleteTemplate(name.id, in: service.id, deadline: call.deadline)
    return Empty()
  }

  /// Fills a template for a ticket, or for one that is being made, and counts the use.
  ///
  /// - Throws: TEMPLATE_NOT_FOUND also for a template that is not shared with the ticket's service, TICKET_NOT_FOUND,
  ///   SERVICE_NOT_FOUND, TYPE_NOT_FOUND, GROUP_NOT_FOUND, CUSTOMER_NOT_FOUND, PERMISSION_DENIED, REQUEST_INVALID.
  package func insertTemplate(
    _ request: InsertTemplateRequest, _ call: CallContext
  ) async throws -> InsertTemplateResponse {
    var check = RequestCheck()
    check.name(request.name, "name", TemplateName.self)
    guard request.service.isEmpty else { return try await insertTemplate(request, &check, call) }
    check.name(request.ticket, "ticket", TicketName.self)
    check.require(request.draft == nil, "draft", "goes with service alone")
    try check.done()
    let name = try TemplateName(request.name, field: "name")
    let (access, ticket) = try await reading(try TicketName(request.ticket, field: "ticket"), call)
    let template = try await usable(name, for: access.service, call.deadline)
    let values = try await store.use(template, on: ticket, deadline: call.deadline)
    let stored =
      template.content.contains("#{\(TemplateText.fieldPrefix)")
      ? try await store.fieldValues(of: ticket, deadline: call.deadline) : [:]
    return try await filled(template, values, access, call.deadline) { field in
      FieldRules.values(stored[field.id] ?? "", of: field.kind)
    }
  }

  /// Fills a template for a ticket that is being made.
  private func insertTemplate(
    _ request: InsertTemplateRequest, _ check: inout RequestCheck, _ call: CallContext
  ) async throws -> InsertTemplateResponse {
    check.require(request.ticket.isEmpty, "ticket", "and service exclude each other; leave one out")
    let wanted = TicketToBe(request, &check)
    try check.done()
    let name = try TemplateName(request.name, field: "name")
    let service = try ServiceName(request.service, field: "service")
    let access = try await ledger.access(call, serviceCode: service.code)
    try access.require(.ticket)
    try wanted.requireNames(of: access.service)
    let template = try await usable(name, for: access.service, call.deadline)
    let values = try await store.use(template, for: wanted, in: access.service, deadline: call.deadline)
    return try await filled(template, values, access, call.deadline) { field in
      wanted.fieldValues.values.first { $0.code == field.rule.code }?.values ?? []
    }
  }

  /// A template with what its codes stand for.
  ///
  /// - Parameter fieldValues: what a ticket has in a field.
  private func filled(
    _ template: TemplateRecord, _ values: [TemplateCode: String], _ access: Access, _ deadline: Deadline,
    _ fieldValues: (FieldRecord) -> [String]
  ) async throws -> InsertTemplateResponse {
    let catalog = try await fields.catalog(of: access.service.id, deadline: deadline)
    let filled = TemplateText(template.content) { code in
      if let known = TemplateCode(rawValue: code) {
        return known == .agentName ? access.member?.displayName ?? "" : values[known] ?? ""
      }
      guard code.hasPrefix(TemplateText.fieldPrefix),
        let field = catalog.field(code: String(code.dropFirst(TemplateText.fieldPrefix.count))),
        !field.isAdministratorsOnly || access.member?.role == .administrator
      else { return nil }
      return fieldValues(field).joined(separator: ", ")
    }
    return InsertTemplateResponse(text: filled.text, unknownCodes: filled.unknownCodes)
  }

  /// A template that agents of a service can use.
  private func usable(
    _ name: TemplateName, for service: ServiceRecord, _ deadline: Deadline
  ) async throws -> TemplateRecord {
    let owner: ServiceRecord
    do {
      owner = try await ledger.directory.service(code: name.service, deadline: deadline)
    } catch let error as ServiceError where error.reason == .serviceNotFound {
      throw ServiceError(.templateNotFound)
    }
    let template = try await store.template(name.id, of: owner.id, deadline: deadline)
    guard owner.id == service.id || (template.isShared && owner.organizationID == service.organizationID) else {
      throw ServiceError(.templateNotFound)
    }
    return template
  }
}

extension TemplateChange {
  /// Refuses types of another service as if they did not exist.
  fileprivate func requireTypes(of service: ServiceRecord) throws(ServiceError) {
    guard (processingTypes ?? []).allSatisfy({ $0.service == service.code }) else { throw ServiceError(.typeNotFound) }
  }
}
