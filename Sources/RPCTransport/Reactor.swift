/// An event loop.
public actor Reactor {
}
