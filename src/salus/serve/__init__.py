"""The page in a browser and its HTTP interface: `salus serve`. Needs the extra `serve`.

settings    what the server may be asked for, and its limits
guard       what stands before every request: host, origin, token, size, headers
queue       one network in memory, a bounded queue before it
sessions    what a browser dropped, in a temporary folder that goes with the session
frames      one frame of a case: image, maps and answer as files
routes_*    the interface
page/       the page: plain HTML, CSS and modules
"""
