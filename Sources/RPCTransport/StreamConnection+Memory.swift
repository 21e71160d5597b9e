extension StreamConnection {
  /// Most other connections that are ended in one turn: ending one takes some microseconds, and
  /// thousands may hold a few bytes each.
  static let maximumEndedInTurn = 16

  /// From now on what it holds counts for `account`; at first it counts for the reactor's
  /// strangers.
  public final func charge(to account: BufferAccount, on reactor: isolated Reactor) {
    if countedBytes > 0, let old = self.account {
      old.remove(self)
      reactor.held.change(old, by: -countedBytes)
      reactor.held.change(account, by: countedBytes)
      account.append(self)
    }
    self.account = account
  }

  /// Tells the reactor what this connection holds now; says whether that is more than before.
  @discardableResult
  @inline(__always)
  final func countBytes(on reactor: isolated Reactor) -> Bool {
    let held = pending.capacity + (output?.capacity ?? 0)
    return held == countedBytes ? false : count(held, on: reactor)
  }

  // Apart, so that a turn that changes nothing pays for one comparison.
  @inline(never)
  private func count(_ held: Int, on reactor: isolated Reactor) -> Bool {
    guard let account else { return false }
    let difference = held - countedBytes
    reactor.held.change(account, by: difference)
    if countedBytes == 0 { account.append(self) }
    countedBytes = held
    if held == 0 { account.remove(self) }
    return difference > 0
  }

  /// More is held than before: makes room where a limit is passed.
  final func makeRoom(on reactor: isolated Reactor) {
    guard let account else { return }
    let share = limits.maximumBufferedBytes / 2
    if account.bytes > share {
      for _ in 0..<Self.maximumEndedInTurn where account.bytes > share {
        account.first?.giveUp(on: reactor)
      }
      // So that what is above the limit does not grow from turn to turn, however little each of the
      // others held.
      if account.bytes > share && countedBytes > 0 { giveUp(on: reactor) }
    }
    for _ in 0..<Self.maximumEndedInTurn
    where reactor.held.bytes > limits.maximumBufferedBytes {
      reactor.held.largest?.first?.giveUp(on: reactor)
    }
  }

  /// Ends this connection, so that what it holds is free.
  ///
  /// Some unsent bytes, and the reason behind them, have until the next time; what is much and not
  /// taken now would be held for as long as a reader may stall, and goes at once.
  private func giveUp(on reactor: isolated Reactor) {
    let isFirstTime = stage == .open
    if isFirstTime {
      memoryExceeded(on: reactor)
      if output != nil { write(on: reactor) }
    }
    if !isFirstTime || stage == .open || unsentBytes > Self.maximumPrefixBytes {
      closeNow(on: reactor)
    }
    countBytes(on: reactor)
    guard countedBytes > 0, let account else { return }
    account.remove(self)
    account.append(self)
  }
}
