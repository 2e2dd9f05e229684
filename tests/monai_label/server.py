"""The server in a thread, and images for it."""

import threading
import time
from contextlib import contextmanager

import uvicorn
from tests.node.servers import free_port

from salus.monai_label.app import create_app


@contextmanager
def serving(segmenter, store, **options):
    """Serve, and give the address."""
    port = free_port()
    app = create_app(segmenter, store, **options)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)
