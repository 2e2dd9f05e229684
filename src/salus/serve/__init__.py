"""The page in a browser and its HTTP interface: `salus serve`. Needs the extra `serve`.

settings    settings and limits of a server
server      start, print the address, stop
app         the application, put together from what follows
guard       checks before every request: host, origin, token, size; security headers
admission   back pressure: a full queue refuses a request before its body is read
queue       one network in memory, a bounded queue before it
sessions    what a browser uploaded, in a temporary folder that is removed with the session
frames      one frame of a case: image, maps and answer as files
drawing     an outline as a reader's browser sends it
data_set    corrected cases as a data set
notes       descriptors, accepted and rejected lesions, comment and mark of an image
worklist    the images of a folder to review
state       what the routes share
routes_*    the interface
metrics     counts for Prometheus
page/       the page: plain HTML, CSS and JavaScript modules
"""
