import Synchronization

/// An attempt that is worked on here, and its task.
struct RunningJob {
  let job: Job
  let task: Task<JobOutcome?, any Error>

  /// Ends the work early.
  func end(_ reason: JobEnding) {
    job.endEarly(reason)
    task.cancel()
  }
}

/// Runs one attempt's handler and says what to report; nil: nothing, the lease is somebody else's.
struct JobRun: Sendable {
  let job: Job
  let handler: Agent.Handler

  func outcome() async -> JobOutcome? {
    do {
      let outcome = try await handler(job)
      return job.ending == .leaseLost ? nil : outcome
    } catch is CancellationError {
      return outcomeOfCancellation
    } catch {
      return job.ending == .leaseLost ? nil : .failed("\(error)")
    }
  }

  private var outcomeOfCancellation: JobOutcome? {
    switch job.ending {
    case .cancelWanted(let reason, let requestedBy):
      let by = requestedBy.isEmpty ? "" : " by \(requestedBy)"
      return .cancelled("Cancelled\(by)\(reason.isEmpty ? "." : ": \(reason)")")
    case .leaseLost:
      return nil
    case .agentStopping:
      // What was requested goes back to the queue with the agent's goodbye and is done elsewhere.
      return job.order.isLeased ? nil : .cancelled("The agent stopped before this attempt ended.")
    case nil:
      return .failed("The handler gave up without saying why.")
    }
  }
}
