"""All harnesses, in the order in which they run: importing one registers it."""
import power  # noqa: F401
import kill  # noqa: F401
import storage  # noqa: F401
import model  # noqa: F401
import history  # noqa: F401
import clock  # noqa: F401
import network  # noqa: F401
import through_proxy  # noqa: F401
import hostile  # noqa: F401
import fuzz  # noqa: F401
import access  # noqa: F401
import soak  # noqa: F401
import races  # noqa: F401
import leaks  # noqa: F401
