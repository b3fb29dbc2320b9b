package import HandoffAPI
package import RPC
package import RPCProtos
import ServiceKit
import TicketLedger

extension TicketService {
  /// Adds a submission type.
  ///
  /// - Throws: SERVICE_NOT_FOUND, TYPE_NOT_FOUND, ALREADY_EXISTS, LIMIT_REACHED, PERMISSION_DENIED, REQUEST_INVALID.
  package func createSubmissionType(
    _ request: CreateSubmissionTypeRequest, _ call: CallContext
  ) async throws -> TypeNode {
    try await create(request.submissionType, in: .submission, parent: request.parent, call)
  }

  /// Changes a submission type.
  ///
  /// - Throws: TYPE_NOT_FOUND, ALREADY_EXISTS, STALE_VERSION, PERMISSION_DENIED, REQUEST_INVALID.
  package func updateSubmissionType(
    _ request: UpdateSubmissionTypeRequest, _ call: CallContext
  ) async throws -> TypeNode {
    try await update(request.submissionType, request.updateMask, request.version, in: .submission, call)
  }

  /// Deletes a submission type with everything below it.
  ///
  /// - Throws: TYPE_NOT_FOUND, IN_USE, PERMISSION_DENIED, REQUEST_INVALID.
  package func deleteSubmissionType(
    _ request: DeleteSubmissionTypeRequest, _ call: CallContext
  ) async throws -> Empty {
    try await delete(request.name, in: .submission, request.deactivateIfUsed, call)
  }

  /// Adds a processing type.
  ///
  /// - Throws: SERVICE_NOT_FOUND, TYPE_NOT_FOUND, ALREADY_EXISTS, LIMIT_REACHED, PERMISSION_DENIED, REQUEST_INVALID.
  package func createProcessingType(
    _ request: CreateProcessingTypeRequest, _ call: CallContext
  ) async throws -> TypeNode {
    try await create(request.processingType, in: .processing, parent: request.parent, call)
  }

  /// Changes a processing type.
  ///
  /// - Throws: TYPE_NOT_FOUND, ALREADY_EXISTS, STALE_VERSION, PERMISSION_DENIED, REQUEST_INVALID.
  package func updateProcessingType(
    _ request: UpdateProcessingTypeRequest, _ call: CallContext
  ) async throws -> TypeNode {
    try await update(request.processingType, request.updateMask, request.version, in: .processing, call)
  }

  /// Deletes a processing type with everything below it.
  ///
  /// - Throws: TYPE_NOT_FOUND, IN_USE, PERMISSION_DENIED, REQUEST_INVALID.
  package func deleteProcessingType(
    _ request: DeleteProcessingTypeRequest, _ call: CallContext
  ) async throws -> Empty {
    try await delete(request.name, in: .processing, request.deactivateIfUsed, call)
  }

  private func create(
    _ node: TypeNode?, in tree: TypeTree, parent: String, _ call: CallContext
  ) async throws -> TypeNode {
    let node = node ?? TypeNode()
    var check = RequestCheck()
    check.name(parent, "parent", ServiceName.self)
    // A new node is active; whoever wants it otherwise changes it afterwards.
    var paths: Set<String> = ["display_name", "localized_names"]
    if node.position != 0 { paths.insert("position") }
    let change = TypeChange(node, paths, in: tree, &check)
    let above = check.value("\(tree.field).parent") { () throws(ServiceError) in
      node.parent.isEmpty ? nil : try tree.parse(node.parent, field: "\(tree.field).parent")
    }
    try check.done()
    let name = try ServiceName(parent, field: "parent")
    let service = try await administered(name.code, call)
    let parentNode = above ?? nil
    if let parentNode, parentNode.service != service.code { throw ServiceError(.typeNotFound) }
    let id = try await store.createType(
      change, below: parentNode?.id, in: tree, of: service.id, deadline: call.deadline)
    return try await self.node(id, in: tree, of: service, call)
  }

  private func update(
    _ node: TypeNode?, _ mask: FieldMask?, _ version: Int64, in tree: TypeTree, _ call: CallContext
  ) async throws -> TypeNode {
    let node = node ?? TypeNode()
    var check = RequestCheck()
    let name = check.value("\(tree.field).name") { () throws(ServiceError) in
      try tree.parse(node.name, field: "\(tree.field).name")
    }
    let paths = check.mask(mask, tree.paths)
    let change = TypeChange(node, paths, in: tree, &check)
    check.version(version)
    try check.done()
    guard let name else { throw ServiceError(.typeNotFound) }
    let access = try await administering(name.service, call)
    let setting = try SettingChange(access, .type(name.id, tree), paths, seen: version)
    try await store.updateType(name.id, change, setting, in: tree, deadline: call.deadline)
    return try await self.node(name.id, in: tree, of: access.service, call)
  }

  private func delete(
    _ text: String, in tree: TypeTree, _ deactivatesIfUsed: Bool, _ call: CallContext
  ) async throws -> Empty {
    let name = try tree.parse(text, field: "name")
    let access = try await administering(name.service, call)
    try await store.deleteType(
      name.id, in: tree, access, deactivatesIfUsed: deactivatesIfUsed, deadline: call.deadline)
    fields.forget(access.service.id)
    return Empty()
  }

  private func node(
    _ id: Int64, in tree: TypeTree, of service: ServiceRecord, _ call: CallContext
  ) async throws -> TypeNode {
    let nodes: [TypeRecord]
    var names: [Int64: [(language: String, displayName: String)]] = [:]
    switch tree {
    case .submission:
      nodes = try await store.submissionTypes(of: service.id, deadline: call.deadline)
      names = try await store.typeNames(of: service.id, deadline: call.deadline)
    case .processing: nodes = try await store.processingTypes(of: service.id, deadline: call.deadline)
    }
    guard let node = nodes.first(where: { $0.id == id }) else { throw ServiceError(.typeNotFound) }
    return node.message(names: names[id] ?? []) { tree.name(service.code, $0) }
  }
}
