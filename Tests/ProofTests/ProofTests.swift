import ClusterTestKit
import Foundation
import HandoffTestKit
import Synchronization
import Testing

/// What must hold of a cluster whatever is done to it: a short run of each proof here, a long one with
/// `HANDOFF_TEST_ALL`. One after the other, because each wants the machine for itself.
@Suite("proofs", .serialized, .timeLimit(.minutes(180)))
enum ProofTests {}

/// How long the proofs run.
enum ProofScale {
  /// Seconds of acts and blows in one torture, and of broken bytes: `HANDOFF_PROOF_SECONDS`, or what is usual.
  static var seconds: Int { given ?? (TestScale.isAll ? 150 : 10) }

  /// The seeds of this run: three in the long proofs.
  static var seeds: [UInt64] { TestScale.isAll ? (0..<3).map { TestScale.seed + $0 } : [TestScale.seed] }

  private static let given = ProcessInfo.processInfo.environment["HANDOFF_PROOF_SECONDS"].flatMap { Int($0) }

  /// The clients of the proofs.
  static let clients = "\(Place.project)/Tests/ProofTests/clients"
}

/// The cluster that the proofs share: each leaves it serving.
enum ProofCluster {
  private static let first = Mutex<Task<TestCluster, any Error>?>(nil)

  static func shared() async throws -> TestCluster {
    let task = first.withLock { task in
      if let task { return task }
      let made = Task {
        let cluster = try TestCluster()
        _ = try await cluster.up()
        return cluster
      }
      task = made
      return made
    }
    return try await task.value
  }
}
