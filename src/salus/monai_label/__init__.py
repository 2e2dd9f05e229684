"""A server that speaks MONAI Label's protocol, so that its clients use Salus unchanged. Needs the extra `monai-label`.

store       the images of a folder, and the labels that clients save
sessions    images that clients send for a while
label_file  label maps on an image's grid, as the clients read them
inference   an image's label map by the network
routes      the requests of the clients
app         the application: routes, errors, who may ask
"""
