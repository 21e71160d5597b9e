import IntegrationAPI
import IntegrationStore
import ProtobufRuntime

extension RepeatedView<DirectiveView> {
  /// Sets each directive from a wish; there are as many of both.
  func assign(_ wishes: [AgentDirectives.Wish]) {
    for (index, wish) in wishes.enumerated() {
      let view = self[index]
      switch wish {
      case .cancel(let logID, let reason, let requestedBy):
        var cancel = CancelLog()
        cancel.logID = logID
        cancel.reason = reason
        cancel.requestedBy = requestedBy
        view.makeCancel().assign(cancel)
      case .pause(let reason):
        var pause = Pause()
        pause.reason = reason
        view.makePause().assign(pause)
      case .resume:
        view.makeResume().assign(Resume())
      case .drain(let reason):
        var drain = Drain()
        drain.reason = reason
        view.makeDrain().assign(drain)
      case .rotateKey(_, let expiresAt):
        var rotate = RotateKey()
        rotate.currentKeyExpiresAt = Timestamp(expiresAt)
        view.makeRotateKey().assign(rotate)
      case .pauseAction(let type, let reason):
        var pause = PauseAction()
        pause.actionType = type
        pause.reason = reason
        view.makePauseAction().assign(pause)
      case .resumeAction(let type):
        var resume = ResumeAction()
        resume.actionType = type
        view.makeResumeAction().assign(resume)
      }
    }
  }
}

extension AgentDirectives.Wish {
  /// The directive for a running log that operators want stopped.
  init(_ wish: CancelWish) {
    self = .cancel(
      logID: wish.logID.description, reason: wish.reason, requestedBy: wish.requestedBy)
  }
}
