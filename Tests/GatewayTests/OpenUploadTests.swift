import ServiceKit
import Testing

@testable import Gateway

@Suite("uploads under way") struct OpenUploadTests {
  @Test("are ten of one agent and a hundred of all, and whoever ends makes room")
  func limits() throws {
    let uploads = OpenUploads()
    func isAdmitted(_ agent: Int64) -> Bool {
      do throws(ServiceError) {
        try uploads.begin(AgentID(agent))
        return true
      } catch {
        #expect(error.reason == .tooManyRequests && error.metadata["retry_after_seconds"] == "1")
        return false
      }
    }
    #expect((1...11).map { _ in isAdmitted(1) } == Array(repeating: true, count: 10) + [false])
    #expect(isAdmitted(2))
    uploads.end(AgentID(1))
    #expect(isAdmitted(1) && !isAdmitted(1))
    uploads.end(AgentID(2))
    for agent in Int64(101)...109 {
      for _ in 1...10 { #expect(isAdmitted(agent)) }
    }
    #expect(!isAdmitted(200))
    uploads.end(AgentID(101))
    #expect(isAdmitted(200) && !isAdmitted(200))
  }
}
