"""All harnesses, in the order in which they run: importing one registers it."""
import kill  # noqa: F401
import clock  # noqa: F401
import model  # noqa: F401
