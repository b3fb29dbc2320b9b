package import Postgres
import ServiceDatabase
package import ServiceKit

extension ServiceError {
  /// Says what a database's refusal means to a caller; constraints that stand for a rule are told by name.
  package init(postgres error: PostgresError) {
    guard error.sqlState == "23503" else {
      self.init(database: error)
      return
    }
    self.init(Self.missingReason(error.constraint ?? ""), cause: error)
  }

  /// Runs database work and throws its errors as `ServiceError`s; other errors pass.
  package static func translating<Value>(_ work: () async throws -> Value) async throws -> Value {
    do {
      return try await work()
    } catch let error as PostgresError {
      throw ServiceError(postgres: error)
    }
  }

  // What a row points to was deleted between the check and the write.
  private static func missingReason(_ constraint: String) -> Reason {
    switch constraint {
    case "ticket_group_fkey": .groupNotFound
    case "ticket_agent_fkey", "ticket_creator_fkey": .agentNotFound
    case "ticket_submission_type_fkey", "ticket_processing_type_fkey", "submission_type_parent_fkey",
      "processing_type_parent_fkey":
      .typeNotFound
    case "ticket_field_value_field_fkey": .fieldNotFound
    case "ticket_customer_fkey": .customerNotFound
    case "ticket_service_fkey": .serviceNotFound
    default: .internal
    }
  }
}
