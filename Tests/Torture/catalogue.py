"""All harnesses, in the order in which they run: importing one registers it."""
import kill  # noqa: F401
import network  # noqa: F401
import through_proxy  # noqa: F401
import hostile  # noqa: F401
