"""The networks, as Keras functional models readable beside the paper's figure, and what is needed round them."""
