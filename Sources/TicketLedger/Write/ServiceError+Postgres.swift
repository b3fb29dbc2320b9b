package import Postgres
package import ServiceKit

extension ServiceError {
  /// Says what a database's refusal means to a caller: the one place where SQLSTATEs are read.
  ///
  /// Constraints that stand for a rule are told by name; what is left is a fault of ours and becomes INTERNAL.
  package init(postgres error: PostgresError) {
    switch error.sqlState {
    case "57014": self.init(.deadlineExceeded, cause: error)
    case "40001", "40P01": self.init(.conflict, cause: error)
    case "23503": self.init(Self.missingReason(error.constraint ?? ""), cause: error)
    case _ where error.isUnavailable: self.init(.databaseUnavailable, cause: error)
    default: self.init(.internal, cause: error)
    }
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
    case "ticket_submission_type_fkey", "ticket_processing_type_fkey": .typeNotFound
    case "ticket_customer_fkey": .customerNotFound
    case "ticket_service_fkey": .serviceNotFound
    default: .internal
    }
  }
}
