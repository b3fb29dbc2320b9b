package import Postgres
package import ServiceKit

extension ServiceError {
  /// Says what a database's refusal means to a caller: the one place where SQLSTATEs are read.
  ///
  /// What is neither a lack of time nor of the database, nor a collision, is a fault of ours and becomes INTERNAL.
  package init(database error: PostgresError) {
    switch error.sqlState {
    case "57014": self.init(.deadlineExceeded, cause: error)
    case "40001", "40P01": self.init(.conflict, cause: error)
    case _ where error.isUnavailable: self.init(.databaseUnavailable, cause: error)
    default: self.init(.internal, cause: error)
    }
  }
}
